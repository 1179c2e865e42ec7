"""How a function answers when a bare value does not say enough, and how it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Event", "Failed", "Result", "RetryLater"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """A state's result, with more than its value."""

    value: Any = None
    """Stored under the state's `output`."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Variables of the flow that are set beside it."""
    goes_to: str | None = None
    """The state where the run goes on, in place of the state's own transition; `end` ends it."""


@dataclass(frozen=True)
class Event:
    """What a source gives. A plain mapping is an event too, with an id of its own."""

    data: Mapping[str, Any]
    id: str | None = None
    """What makes it the same event when it comes again: a message's number, a row's key. Without one it is new."""
    subject: str | None = None
    time: str | None = None
    """When it happened, RFC 3339."""


class Failed(Exception):
    """The state did not do its work, and would not the next time: `raise Failed("there is no such room")`."""


class RetryLater(Exception):
    """The state may do its work later: a server is busy or away."""

    def __init__(self, message: str, *, after_seconds: float | None = None) -> None:
        self.after_seconds = after_seconds
        super().__init__(message)
