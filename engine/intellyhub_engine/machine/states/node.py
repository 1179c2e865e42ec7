"""What a state is while a program runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError

if TYPE_CHECKING:
    from intellyhub_engine.journal.records import RunSuspended
    from intellyhub_engine.language.program import StateCode
    from intellyhub_engine.machine.active import ActiveLoop, ActiveRun

__all__ = ["Advance", "Move", "Node", "Suspends", "UnknownState", "success_target"]

Move = tuple[str | None, Mapping[str, Any] | None]
"""The next state's name (None: the run ends here) and the variables changed, which the machine's loop records; None
instead of them says that the step recorded itself."""

Advance = Callable[["ActiveRun"], Move]
"""Perform one visit. Raises what the step failed with."""


class Node:
    """One state, callable."""

    __slots__ = ("advance", "code", "error_target", "leave", "name", "pure", "type")

    def __init__(self, code: StateCode, advance: Advance, *, error_target: str | None, pure: bool) -> None:
        self.code = code
        self.name = code.name
        self.type = code.type
        self.advance = advance
        self.error_target = error_target
        self.pure = pure
        """It leaves the recording of its steps to the machine."""
        self.leave: Callable[[ActiveRun, ActiveLoop], tuple[str | None, Mapping[str, Any]]] | None = None
        """Of a loop: where a run goes that leaves it, and what it has gathered."""


class UnknownState(PermanentError):
    """A transition names a state that the flow does not have."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the flow has no state {name!r}")


class Suspends(Exception):
    """The run waits; its thread is free. Not an error: how a waiting step leaves the machine's loop."""

    def __init__(self, suspended: RunSuspended) -> None:
        self.suspended = suspended
        super().__init__(suspended.state)


def success_target(code: StateCode) -> str | None:
    """Where a state goes that did its work."""
    return code.targets.get("success", code.targets.get("next"))
