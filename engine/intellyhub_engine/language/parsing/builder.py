"""Bodies, however nested, into the one flat table of states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.catalogue.control import CONTROL, LISTENER_STATE
from intellyhub_engine.catalogue.manifest import Catalogue, StateType
from intellyhub_engine.catalogue.names import fold
from intellyhub_engine.language.model import CONTINUE, State
from intellyhub_engine.language.parsing.bodies import Body
from intellyhub_engine.language.parsing.dialects import DIALECTS
from intellyhub_engine.language.parsing.findings import Findings
from intellyhub_engine.language.parsing.listeners import Donation
from intellyhub_engine.language.parsing.places import Place
from intellyhub_engine.language.parsing.regions import Region
from intellyhub_engine.language.problems import Position, ProblemCode
from intellyhub_engine.language.reading.document import Document
from intellyhub_engine.language.spelling import find_state_type

__all__ = ["Builder", "start_of"]

HINTS = (
    ("cases", "switch"),
    ("condition", "if"),
    ("items", "loop"),
    ("branches", "parallel"),
    ("action", "command"),
    ("eval", "command"),
    ("command", "command"),
    ("cmd", "command"),
    ("values", "set"),
    ("url", "http"),
)
"""A key that tells which type a body without one was meant to have."""


class Builder:
    """Collects the states of one flow."""

    def __init__(self, document: Document, catalogue: Catalogue) -> None:
        self.document = document
        self.catalogue = catalogue
        self.findings = Findings(document)
        self.donations: list[Donation] = []
        self.places: dict[str, dict[str, Place]] = {}
        self._states: dict[str, State | None] = {}
        self._positions: dict[str, Position | None] = {}

    @property
    def states(self) -> Mapping[str, State]:
        """In the order of the text; a nested body follows its owner."""
        return {name: state for name, state in self._states.items() if state is not None}

    def spec(self, type_: str) -> StateType | None:
        return CONTROL.get(type_) or find_state_type(type_, self.catalogue)

    def position(self, body: Body) -> Position | None:
        """Where the state begins."""
        return self._positions.get(body.name)

    def add_mapping(self, bodies: dict[Any, Any], prefix: str, region: Region, after: str | None) -> list[str]:
        """Add `name: body` pairs; their full names, in order."""
        written = [(self.document.key_text(bodies, key), key) for key in bodies]
        ends = [name for name, key in written if region.leave == CONTINUE and _is_end(name, bodies[key])]
        region.names.update({name: prefix + name for name, _ in written})
        region.names.update(dict.fromkeys(ends, CONTINUE))
        kept = [(name, key) for name, key in written if name not in ends]
        for name, key in kept:
            position = self.document.key_position(bodies, key)
            self.add(prefix + name, bodies[key], region, after, position)
        return [prefix + name for name, _ in kept]

    def add_sequence(self, bodies: list[Any], prefix: str, region: Region, after: str | None) -> list[str]:
        """Add bodies that follow one another; their full names, in order."""
        names = self._sequence_names(bodies, at_top=not prefix)
        region.names.update({name: prefix + name for name in names})
        full = [prefix + name for name in names]
        for index, name in enumerate(full):
            follower = full[index + 1] if index + 1 < len(full) else after
            position = self.document.position_of(bodies, index) or self.document.position_of(bodies[index])
            self.add(name, bodies[index], region, follower, position)
        return full

    def _sequence_names(self, bodies: list[Any], *, at_top: bool) -> list[str]:
        names: list[str] = []
        for index, body in enumerate(bodies):
            name = self.document.value_text(body, "name") if isinstance(body, dict) and body.get("name") else None
            if name is None:
                type_ = (body.get("state_type") or body.get("type")) if isinstance(body, dict) else None
                name = f"{type_ or 'step'}_{index + 1}" if at_top else str(index)
            names.append(name)
        return names

    def branch(self, body: Body, label: str, container: Any, key: Any, name: str) -> None:
        """Point an edge at a named state, or at a body that stands in its place."""
        value = container[key]
        if isinstance(value, dict) and not _is_body(value) and "transition" in value:
            body.aim(label, value, "transition")
            return
        if not isinstance(value, dict | list):
            body.aim(label, container, key)
            return
        after = body.after if not self._has_next(body) else self._next(body)
        region = Region({}, body.region)
        if isinstance(value, dict) and _is_body(value):
            self.add(name, value, region, after, self.document.position_of(container, key))
            body.targets[label] = name
            return
        start = self.nest(body, container, key, f"{name}/", region, after)
        if start is not None:
            body.targets[label] = start

    def _has_next(self, body: Body) -> bool:
        return body.left.get("transition") is not None and body.source[body.left["transition"]] is not None

    def _next(self, body: Body) -> str | None:
        """Where an inline sequence goes on: where its owner goes."""
        target = self.document.value_text(body.source, body.left["transition"])
        return body.region.resolve(target).state

    def nest(self, body: Body, container: Any, key: Any, prefix: str, region: Region, after: str | None) -> str | None:
        """Add a body, a list of bodies or a mapping of states; the full name of the first."""
        value = container[key]
        if isinstance(value, list):
            names = self.add_sequence(value, prefix, region, after)
        elif isinstance(value, dict) and _is_body(value):
            names = self.add_sequence([value], prefix, region, after)
        elif isinstance(value, dict) and isinstance(value.get("states"), dict | list):
            return self.nest(body, value, "states", prefix, region, after)
        elif isinstance(value, dict) and value and all(isinstance(each, dict) for each in value.values()):
            names = self.add_mapping(value, prefix, region, after)
        else:
            names = []
        if not names:
            self.findings.error(
                ProblemCode.MISSING_BODY,
                f"'{body.name}' has an empty body under '{key}'",
                self.document.position_of(container, key),
                state=body.name,
                expected="a state's name, a body, or a list of bodies",
            )
            return None
        return start_of(names, prefix)

    def add(self, name: str, source: Any, region: Region, after: str | None, position: Position | None) -> None:
        """Take one body apart and put the state into the table."""
        if name in self._states:
            self._report_duplicate(name, position)
            return
        self._states[name] = None
        self._positions[name] = position
        if source is None and name.rpartition("/")[2] == "end":
            self._states[name] = State(name=name, type="end", position=position)
            return
        if not isinstance(source, dict):
            self.findings.error(
                ProblemCode.WRONG_VALUE,
                f"the state '{name}' is not a mapping",
                position,
                state=name,
                expected="`state_type` and its parameters",
            )
            return
        body = Body(self, name, source, region, after)
        self._read_type(body)
        if body.type:
            dialect = DIALECTS.get(body.type) or (DIALECTS[LISTENER_STATE] if _is_listener(body) else None)
            if dialect is not None:
                dialect(body)
            self._states[name] = body.finish()
            self.places[name] = body.places

    def _read_type(self, body: Body) -> None:
        key = body.take("state_type", "type") if "state_type" not in body.left else body.take("state_type")
        type_ = self.findings.text(body.source, key, "the state's type", body.name) if key is not None else None
        if type_:
            body.spec = self.spec(type_.strip())
            body.type = body.spec.type if body.spec else type_.strip()
            body.mark("state_type", body.source, key)
        elif key is None:
            hint = next((type_ for word, type_ in HINTS if word in body.left), None)
            self.findings.error(
                ProblemCode.MISSING_TYPE,
                f"the state '{body.name}' has no type",
                self.position(body),
                state=body.name,
                expected="`state_type`",
                suggestion=f"write state_type: {hint}" if hint else None,
            )

    def _report_duplicate(self, name: str, position: Position | None) -> None:
        first = self._positions[name]
        self.findings.error(
            ProblemCode.DUPLICATE_STATE,
            f"there is a state '{name}' already" + (f", in line {first.line}" if first else ""),
            position,
            state=name,
            expected="a name of its own for every state",
        )


def start_of(names: list[str], prefix: str = "") -> str:
    """A state called `start`, else the first (FLOW_LANGUAGE §1.4)."""
    return f"{prefix}start" if f"{prefix}start" in names else names[0]


def _is_body(value: dict[Any, Any]) -> bool:
    return isinstance(value.get("state_type", value.get("type")), str)


def _is_end(name: str, body: Any) -> bool:
    if body is None:
        return name == "end"
    kind = body.get("state_type", body.get("type")) if isinstance(body, dict) else None
    return isinstance(kind, str) and fold(kind) == "end"


def _is_listener(body: Body) -> bool:
    return body.spec is None and fold(body.type).endswith("listener")
