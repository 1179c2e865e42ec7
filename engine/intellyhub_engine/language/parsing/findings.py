"""What a parser has to say while it reads a document: problems with their places, and values of the expected form."""

from __future__ import annotations

from typing import Any

from intellyhub_engine.language.durations import seconds_of
from intellyhub_engine.language.problems import Position, Problem, ProblemCode, Severity
from intellyhub_engine.language.reading.document import Document

__all__ = ["Findings", "kind_of"]

KINDS = (
    (bool, "a boolean"),
    (str, "text"),
    (int, "a number"),
    (float, "a number"),
    (list, "a list"),
    (dict, "a mapping"),
)


def kind_of(value: Any) -> str:
    """What a value is, in the words of a message."""
    return next((words for kind, words in KINDS if isinstance(value, kind)), "nothing")


class Findings:
    """Collects problems. A `wrong_*` reading gives None and a problem, so that parsing goes on to the next fault."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def error(self, code: ProblemCode, message: str, at: Position | None, **facts: Any) -> None:
        self.problems.append(Problem(code=code, message=message, position=at, **facts))

    def warn(self, code: ProblemCode, message: str, at: Position | None, **facts: Any) -> None:
        self.problems.append(Problem(code=code, message=message, severity=Severity.WARNING, position=at, **facts))

    def wrong(self, container: Any, key: Any, what: str, expected: str, state: str | None = None) -> None:
        """The value under `key` has the wrong form."""
        self.error(
            ProblemCode.WRONG_VALUE,
            f"{what}{f' of {state!r}' if state and repr(state) not in what else ''} is {kind_of(container[key])}",
            self.document.position_of(container, key),
            expected=expected,
            state=state,
        )

    def text(self, container: Any, key: Any, what: str, state: str | None = None) -> str | None:
        """A scalar as text, as its author wrote it."""
        value = container[key]
        if isinstance(value, str) or value is None:
            return value
        if isinstance(value, dict | list):
            self.wrong(container, key, what, "text", state)
            return None
        return self.document.value_text(container, key)

    def mapping(self, container: Any, key: Any, what: str, state: str | None = None) -> dict[Any, Any] | None:
        value = container[key]
        if isinstance(value, dict):
            return value
        if value is not None:
            self.wrong(container, key, what, "a mapping", state)
        return None

    def whole(self, container: Any, key: Any, what: str, state: str | None = None) -> int | None:
        """A whole number, at least 1."""
        value = container[key]
        if isinstance(value, str) and value.isdecimal() and len(value) < 10:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return value
        self.wrong(container, key, what, "a whole number, at least 1", state)
        return None

    def seconds(self, container: Any, key: Any, what: str, state: str | None = None) -> float | None:
        seconds = seconds_of(container[key])
        if seconds is None:
            self.wrong(container, key, what, "a number of seconds, or a duration such as 90s or 5m", state)
        return seconds

    def texts(self, container: Any, key: Any, what: str, state: str | None = None) -> tuple[str, ...]:
        """One text or a list of them."""
        value = container[key]
        if value is None:
            return ()
        if isinstance(value, list) and not any(isinstance(each, dict | list) for each in value):
            return tuple(self.document.value_text(value, index) for index in range(len(value)))
        if isinstance(value, list | dict):
            self.wrong(container, key, what, "a list of texts", state)
            return ()
        return (self.document.value_text(container, key),)
