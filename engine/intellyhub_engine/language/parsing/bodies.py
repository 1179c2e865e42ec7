"""One state's body while it is taken apart: what is not taken as target, output and so on is a parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.catalogue.manifest import StateType
from intellyhub_engine.language.model import LogLine, Retry, State
from intellyhub_engine.language.parsing.places import Place
from intellyhub_engine.language.parsing.regions import Region
from intellyhub_engine.language.problems import Position, ProblemCode
from intellyhub_engine.language.spelling import did_you_mean

if TYPE_CHECKING:
    from intellyhub_engine.language.parsing.builder import Builder

__all__ = ["COMMENT_KEYS", "COMMON_KEYS", "DONE_KEYS", "LOG_LEVELS", "RETRY_KEYS", "TARGET_KEYS", "Body"]

TARGET_KEYS: Mapping[str, tuple[str, ...]] = {
    "next": ("transition", "next_state"),
    "success": ("success_transition", "on_success"),
    "error": ("error_transition", "on_error"),
    "warning": ("warning_transition",),
}
DONE_KEYS = ("done_transition", "end_transition", "exit_transition", "on_done")
LOG_LEVELS = ("debug", "info", "warning", "error")
RETRY_KEYS: Mapping[str, tuple[str, ...]] = {
    "attempts": ("attempts", "max_attempts", "times"),
    "backoff_seconds": ("backoff_seconds", "backoff", "delay_seconds", "delay"),
    "max_backoff_seconds": ("max_backoff_seconds", "max_backoff", "max_delay_seconds", "max_delay"),
    "on": ("on",),
}
COMMENT_KEYS = ("name", "description", "comment", "label", "ui")
EXTRA_KEYS = frozenset(("output", "output_variable", "log", "retry", "timeout_seconds", "timeout", "test", "mock"))
"""What most states do not carry."""
COMMON_KEYS = frozenset(
    (
        *(key for keys in TARGET_KEYS.values() for key in keys),
        *COMMENT_KEYS,
        *EXTRA_KEYS,
    )
)
"""What a state of any type may carry."""


class Body:
    """A state in the making. `left` holds what nothing has taken yet, by key as written."""

    def __init__(self, builder: Builder, name: str, source: dict[Any, Any], region: Region, after: str | None) -> None:
        self.builder = builder
        self.findings = builder.findings
        self.name = name
        self.source = source
        self.region = region
        self.after = after
        """Full name of the state that follows where the body names none; None ends the run."""
        self.left = {builder.findings.document.key_text(source, key): key for key in source}
        self.type = ""
        self.spec: StateType | None = None
        self.targets: dict[str, str] = {}
        self.parameters: dict[str, Any] = {}
        self.places: dict[str, Place] = {}
        self.goes_on = True
        """False for types that have no `next`."""

    def take(self, *keys: str) -> Any:
        """The original key of the first of these that is there and not null, taken out; None if none is."""
        for key in keys:
            if key in self.left:
                original = self.left.pop(key)
                if self.source[original] is not None:
                    return original
        return None

    def knows(self, key: str) -> bool:
        """Whether the state type has a parameter of its own by that name."""
        return self.spec is not None and key in self.spec.parameters

    def mark(self, place: str, container: Any, key: Any) -> None:
        """Remember where a value of this state stands."""
        self.places[place] = container, key

    def put(self, parameter: str, container: Any, key: Any) -> None:
        """Make the value under `key` of a mapping or list of the text a parameter."""
        self.parameters[parameter] = container[key]
        self.mark(parameter, container, key)

    def aim(self, label: str, container: Any, key: Any) -> None:
        """Point an edge at the state that `container[key]` names."""
        name = self.findings.text(container, key, f"the target '{key}'", self.name)
        if not name:
            return
        target = self.region.resolve(name.strip())
        self.targets[label] = target.state
        self.mark(f"->{label}", container, key)
        if target.outside:
            self._warn_outside(name, self.findings.document.position_of(container, key))
        elif not target.known and self.region.leave is not None:
            self.findings.warn(
                ProblemCode.UNKNOWN_TARGET,
                f"'{self.name}' goes to '{name}', which is no state; it ends this pass",
                self.findings.document.position_of(container, key),
                state=self.name,
                expected="a state of this body, or `continue`",
                suggestion=did_you_mean(name, self.region.names),
            )

    def _warn_outside(self, name: str, at: Position | None) -> None:
        owner = self.region.owner
        self.findings.warn(
            ProblemCode.LOOP_TARGET_OUTSIDE,
            f"'{self.name}' goes to '{name}', outside the body of '{owner}'; it only ends this pass",
            at,
            state=self.name,
            expected="a state of this body, `continue` or `break`",
            suggestion=f"write `continue`, or `break` to leave '{owner}' and go where it goes",
        )

    def aim_at(self, label: str, *keys: str) -> bool:
        """Point an edge where the first of these keys says; False if none is there."""
        key = self.take(*keys)
        if key is None:
            return False
        self.aim(label, self.source, key)
        return True

    def finish(self) -> State:
        """Take what every state may carry; all that is left becomes parameters."""
        if self.goes_on:
            for label, keys in TARGET_KEYS.items():
                self.aim_at(label, *keys)
            if "next" not in self.targets and self.after is not None:
                self.targets["next"] = self.after
        return State(
            name=self.name,
            type=self.type,
            targets=self.targets,
            position=self.builder.position(self),
            **({} if EXTRA_KEYS.isdisjoint(self.left) else self._extras()),
            parameters=self._take_parameters(),
        )

    def _extras(self) -> dict[str, Any]:
        return {
            "output": self._output(),
            "log": self._log(),
            "retry": self._retry(),
            "timeout_seconds": self._timeout(),
            "mock": self._mock(),
        }

    def _output(self) -> str | Mapping[str, str] | None:
        key = self.take("output") if self.knows("output_variable") else self.take("output", "output_variable")
        if key is None:
            return None
        self.mark("output", self.source, key)
        value = self.source[key]
        if not isinstance(value, dict):
            return self.findings.text(self.source, key, "'output'", self.name)
        names = {name: self.findings.text(value, name, "a field of 'output'", self.name) for name in value}
        return {str(name): field for name, field in names.items() if field is not None}

    def _log(self) -> LogLine | None:
        key = self.take("log")
        if key is None:
            return None
        self.mark("log", self.source, key)
        value = self.source[key]
        if not isinstance(value, dict):
            message = self.findings.text(self.source, key, "'log'", self.name)
            return LogLine(message=message) if message is not None else None
        if "message" not in value:
            self.findings.wrong(self.source, key, "'log'", "text, or a mapping with `message`", self.name)
            return None
        self.mark("log", value, "message")
        message = self.findings.text(value, "message", "'message'", self.name)
        return LogLine(message=message or "", level=self._level(value))

    def _level(self, log: dict[Any, Any]) -> str:
        if log.get("level") is None:
            return "info"
        level = (self.findings.text(log, "level", "'level'", self.name) or "info").lower()
        level = {"warn": "warning", "critical": "error"}.get(level, level)
        if level not in LOG_LEVELS:
            self.findings.error(
                ProblemCode.NOT_A_CHOICE,
                f"{level!r} is not a log level",
                self.findings.document.position_of(log, "level"),
                state=self.name,
                expected=", ".join(LOG_LEVELS),
                suggestion=did_you_mean(level, LOG_LEVELS),
            )
            return "info"
        return level

    def _retry(self) -> Retry | None:
        key = None if self.knows("retry") else self.take("retry")
        if key is None:
            return None
        value = self.source[key]
        if isinstance(value, bool):
            return Retry() if value else None
        if not isinstance(value, dict):
            attempts = self.findings.whole(self.source, key, "'retry'", self.name)
            return Retry(attempts=attempts) if attempts else None
        return self._retry_of(value)

    def _retry_of(self, value: dict[Any, Any]) -> Retry:
        found: dict[str, Any] = {}
        readers: Mapping[str, Callable[..., Any]] = {"attempts": self.findings.whole, "on": self.findings.texts}
        spellings = {spelling: name for name, keys in RETRY_KEYS.items() for spelling in keys}
        for key in value:
            name = spellings.get(str(key))
            if name is None:
                self.findings.warn(
                    ProblemCode.UNKNOWN_KEY,
                    f"'retry' has no {key!r}",
                    self.findings.document.key_position(value, key),
                    state=self.name,
                    expected=", ".join(RETRY_KEYS),
                    suggestion=did_you_mean(str(key), RETRY_KEYS),
                )
                continue
            reader = readers.get(name) or self.findings.seconds
            found[name] = reader(value, key, f"'{key}'", self.name)
        return Retry(**{name: read for name, read in found.items() if read is not None})

    def _timeout(self) -> float | None:
        key = self.take("timeout_seconds")
        if key is None and self.spec is not None and not self._names_parameter("timeout"):
            key = self.take("timeout")
        return None if key is None else self.findings.seconds(self.source, key, f"'{key}'", self.name)

    def _mock(self) -> Any:
        key = None if self.knows("mock") else self.take("mock")
        if key is not None:
            return self.source[key]
        key = None if self.knows("test") else self.take("test")
        value = self.source[key] if key is not None else None
        if not isinstance(value, dict):
            return value
        if "error" in value:
            return {"error": value["error"]}
        return next((value[name] for name in ("result", "output", "mock") if name in value), value)

    def _names_parameter(self, key: str) -> bool:
        parameters = self.spec.parameters if self.spec else {}
        return key in parameters or any(key in parameter.aliases for parameter in parameters.values())

    def _take_parameters(self) -> Mapping[str, Any]:
        """What is left, under canonical names; keys that only people read are dropped."""
        for written, key in self.left.items():
            name = self._canonical(written)
            if name in COMMENT_KEYS and not self.knows(name):
                continue
            if name in self.parameters:
                name = written
            self.put(name, self.source, key)
        self.left = {}
        return self.parameters

    def _canonical(self, written: str) -> str:
        if self.spec is None or written in self.spec.parameters:
            return written
        matches = (p.name for p in self.spec.parameters.values() if written in p.aliases)
        return next(matches, written)
