"""A flow text -> model.Flow: every dialect of FLOW_LANGUAGE §1, §2, §4, §5 becomes the one form of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import FlowInvalid
from intellyhub_engine.language.model import Durability, Flow
from intellyhub_engine.language.parsing.budgets import read_budget
from intellyhub_engine.language.parsing.builder import Builder, start_of
from intellyhub_engine.language.parsing.findings import Findings, kind_of
from intellyhub_engine.language.parsing.flowtests import read_tests
from intellyhub_engine.language.parsing.listeners import LISTENER_PLACE, read_listener
from intellyhub_engine.language.parsing.places import Places
from intellyhub_engine.language.parsing.regions import PSEUDO_TARGETS, Region
from intellyhub_engine.language.problems import Position, Problem, ProblemCode, Severity
from intellyhub_engine.language.reading.document import Document, place_of
from intellyhub_engine.language.reading.text import read
from intellyhub_engine.language.spelling import did_you_mean, nearest

__all__ = ["TOP_LEVEL_KEYS", "Parsed", "parse"]

TOP_LEVEL_KEYS: Mapping[str, str] = {
    "name": "the flow's title",
    "description": "what it does, for people",
    "variables": "values every state can use",
    "listener": "what wakes the flow",
    "start_state": "where a run begins",
    "states": "the machine",
    "max_steps": "the most steps a run may take (100)",
    "durability": "step (default), run or none",
    "dependencies": "plugins, as name>=version",
    "logging": "level: debug, info, warning or error",
    "log_level": "debug, info, warning or error",
    "tests": "what must come out of which event",
    "input": "JSON Schema of what a caller sends",
    "output": "JSON Schema of what the flow answers",
    "budget": "what its runs may spend: run, day, month, each with tokens and cost_usd",
}
SPELLINGS = {"input_schema": "input", "output_schema": "output", "test": "tests"}
LEVELS = {"warn": "warning", "critical": "error"}


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text says; `flow` is None where it says nothing that could be checked further."""

    flow: Flow | None
    problems: tuple[Problem, ...]


def parse(text: bytes | str, catalogue: Catalogue, *, name: str = "flow") -> Parsed:
    """Read a flow. Never raises for what the text says: faults are in `problems`. `name` is for a flow without one."""
    try:
        document = read(text)
    except FlowInvalid as fault:
        return Parsed(None, fault.problems)
    if not isinstance(document.root, dict):
        return Parsed(None, (*document.problems, _not_a_flow(document)))
    return _Reader(document, catalogue, name).read()


def _not_a_flow(document: Document) -> Problem:
    if document.root is None:
        return Problem(
            code=ProblemCode.EMPTY_FLOW,
            message="the text is empty",
            position=Position(line=1, column=1),
            expected="a flow with `states`",
        )
    return Problem(
        code=ProblemCode.NOT_A_MAPPING,
        message=f"the text is {kind_of(document.root)}, not a flow",
        position=document.position_of(document.root) or Position(line=1, column=1),
        expected="a mapping with `states`",
        suggestion="put `states:` above the list" if isinstance(document.root, list) else None,
    )


class _Reader:
    """Reads the top level of one document."""

    def __init__(self, document: Document, catalogue: Catalogue, name: str) -> None:
        self.document = document
        self.catalogue = catalogue
        self.name = name
        self.builder = Builder(document, catalogue)
        self.findings: Findings = self.builder.findings
        self.root: dict[Any, Any] = self._canonical_keys()

    def _canonical_keys(self) -> dict[Any, Any]:
        """Second spellings are read where the first is not there; the document's own mapping stays the place table."""
        root: dict[Any, Any] = self.document.root
        for spelling, key in SPELLINGS.items():
            if spelling in root and key not in root:
                row = self.document.table[id(root)][2]
                root[key], row[key] = root.pop(spelling), row.pop(spelling)
        return root

    def read(self) -> Parsed:
        names = self._states()
        self._report_duplicates()
        self._report_unknown_keys()
        flow = self._flow(names) if names else None
        return Parsed(flow, (*self.document.problems, *self.findings.problems))

    def _states(self) -> list[str]:
        states = self.root.get("states")
        region = Region({})
        if isinstance(states, dict) and states:
            names = self.builder.add_mapping(states, "", region, None)
        elif isinstance(states, list) and states:
            names = self.builder.add_sequence(states, "", region, None)
        else:
            self._report_no_states(states)
            return []
        for name in names:
            if name in PSEUDO_TARGETS:
                self._report_hidden(name)
        return names

    def _flow(self, names: list[str]) -> Flow:
        listener, listener_places = read_listener(self.root, self.builder.donations, self.findings, self.catalogue)
        places = {**self.builder.places, LISTENER_PLACE: listener_places}
        return Flow(
            name=self._text("name") or self.name,
            description=self._text("description") or "",
            start=self._start(names),
            states=self.builder.states,
            variables=self._variables(),
            listener=listener,
            max_steps=self._given("max_steps", self.findings.whole) or 100,
            durability=self._durability(),
            log_level=self._log_level(),
            dependencies=self._given("dependencies", self.findings.texts) or (),
            dollar_names=isinstance(self.root["states"], list),
            tests=read_tests(self.root, self.findings),
            input_schema=self._given("input", self.findings.mapping),
            output_schema=self._given("output", self.findings.mapping),
            budget=read_budget(self.root, self.findings),
            digest=self.document.digest,
            places=Places(self.document, places),
        )

    def _given(self, key: str, reader: Any) -> Any:
        return reader(self.root, key, f"'{key}'") if self.root.get(key) is not None else None

    def _text(self, key: str) -> str | None:
        value: str | None = self._given(key, self.findings.text)
        return value

    def _start(self, names: list[str]) -> str:
        wanted = self._text("start_state")
        if wanted is None or wanted in names:
            return wanted or start_of(names)
        start = start_of(names)
        self.findings.warn(
            ProblemCode.UNKNOWN_START,
            f"there is no state '{wanted}' to start with; '{start}' is taken",
            self.document.position_of(self.root, "start_state"),
            expected="the name of a state",
            suggestion=did_you_mean(wanted, names),
        )
        return start

    def _variables(self) -> dict[str, Any]:
        written = self._given("variables", self.findings.mapping) or {}
        return {self.document.key_text(written, key): value for key, value in written.items()}

    def _choice(self, container: Any, key: str, choices: list[str], default: str) -> str:
        value = (self.findings.text(container, key, f"'{key}'") or default).strip().lower()
        value = LEVELS.get(value, value)
        if value in choices:
            return value
        self.findings.error(
            ProblemCode.NOT_A_CHOICE,
            f"{value!r} is not a choice for '{key}'",
            self.document.position_of(container, key),
            expected=", ".join(choices),
            suggestion=did_you_mean(value, choices),
        )
        return default

    def _durability(self) -> Durability:
        if self.root.get("durability") is None:
            return Durability.STEP
        return Durability(self._choice(self.root, "durability", list(Durability), "step"))

    def _log_level(self) -> str:
        levels = ["debug", "info", "warning", "error"]
        logging = self.root.get("logging")
        if isinstance(logging, dict) and logging.get("level") is not None:
            return self._choice(logging, "level", levels, "info")
        if self.root.get("log_level") is not None:
            return self._choice(self.root, "log_level", levels, "info")
        return self._choice(self.root, "logging", levels, "info") if isinstance(logging, str) else "info"

    def _report_no_states(self, states: Any) -> None:
        found = isinstance(states, dict | list) or states is None
        self.findings.error(
            ProblemCode.NO_STATES,
            "the flow has no states" if found else f"'states' is {kind_of(states)}",
            self.document.position_of(self.root, "states") or self.document.position_of(self.root),
            expected="`states`, a mapping of name to body",
            suggestion=_meant_states(self.root) if states is None else None,
        )

    def _report_hidden(self, name: str) -> None:
        self.findings.warn(
            ProblemCode.HIDDEN_TARGET,
            f"the state '{name}' hides the target of that name, which steers loops",
            self.document.key_position(self.root["states"], name),
            state=name,
            expected="another name",
            suggestion=f"call it '{name}_state'",
        )

    def _report_unknown_keys(self) -> None:
        for key in self.root:
            if key not in TOP_LEVEL_KEYS:
                self.findings.warn(
                    ProblemCode.UNKNOWN_KEY,
                    f"a flow has no {key!r}",
                    self.document.key_position(self.root, key),
                    expected=", ".join(TOP_LEVEL_KEYS),
                    suggestion=did_you_mean(str(key), TOP_LEVEL_KEYS),
                )

    def _report_duplicates(self) -> None:
        """A second body of one name would silently replace the first; other keys are alternatives in one block."""
        states, root = id(self.root.get("states")), id(self.root)
        for duplicate in self.document.duplicates:
            container = duplicate.container
            is_state = container == states or (container == root and duplicate.key == "states")
            self.findings.problems.append(
                Problem(
                    code=ProblemCode.DUPLICATE_STATE if is_state else ProblemCode.DUPLICATE_KEY,
                    message=f"'{duplicate.key}' stands here twice" + ("" if is_state else "; the last one counts"),
                    severity=Severity.ERROR if is_state else Severity.WARNING,
                    position=place_of(duplicate.event) if duplicate.event is not None else None,
                    expected="every key once",
                    suggestion="rename or remove one of them",
                )
            )


def _meant_states(root: dict[Any, Any]) -> str | None:
    """Which key was meant to be `states`."""
    found = next((key for key in root if isinstance(key, str) and nearest(key, ["states"])), None)
    return f"write `states` instead of `{found}`" if found else None
