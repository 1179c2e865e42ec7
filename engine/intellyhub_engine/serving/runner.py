"""What the exchange asks of the machine: the few verbs a worker needs, so that tests can put anything behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from intellyhub_engine.events import Event
from intellyhub_engine.machine.result import RunResult

__all__ = ["Begun", "Runner"]

Begun = Callable[[str], None]
"""Called with a run's id once it is durable and held."""


class Runner(Protocol):
    """Runs one flow version. Results come without secrets. Raises `JournalError` where the record cannot be kept."""

    @property
    def flow(self) -> str:
        """The flow's name."""

    def start(self, event: Event, begun: Begun | None, variables: Mapping[str, Any] | None = None) -> RunResult:
        """Run the flow for an event, or continue or answer the run that the event has already made. Raises `LeaseLost`
        while another process holds the run, `OtherVersion` where a run of another version has the event."""

    def reply(self, result: RunResult) -> Event | None:
        """The emitted event that is still to be handed on, as the reply to a delivery."""

    def show(self, run_id: str) -> RunResult:
        """How a run of this flow stands. Raises `RunNotFound`."""

    def decide(self, run_id: str, decision: Any, begun: Begun | None = None) -> RunResult:
        """Resume a run that waits for a person. Raises `RunNotFound`, `LeaseLost`, `OtherVersion`."""

    def resume(self, run_id: str, begun: Begun | None = None) -> RunResult:
        """Go on with a run whose time has come, or whose worker died; one that still waits says so. Raises as `decide`
        does."""

    def replay(
        self, run_id: str, variables: Mapping[str, Any], begun: Begun | None = None, copy_id: str | None = None
    ) -> RunResult:
        """A new run with the event and the variables of another, also of another version; the one called `copy_id`, if
        it was made before. Raises `RunNotFound`."""

    def fork(
        self,
        run_id: str,
        seq: int,
        variables: Mapping[str, Any],
        begun: Begun | None = None,
        copy_id: str | None = None,
    ) -> RunResult:
        """A new run from step `seq` of another, also of another version; the one called `copy_id`, if it was made
        before. Raises `RunNotFound`, `InputInvalid`."""

    def cancel(self, run_id: str) -> bool:
        """Ask a run to stop; False when it has ended."""

    def sign(self, event: Event, body: bytes) -> Event:
        """The event with what the next worker asks for."""
