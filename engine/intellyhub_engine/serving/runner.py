"""What the exchange asks of the machine: the few verbs a worker needs, so that tests can put anything behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from intellyhub_engine.events import Event
from intellyhub_engine.machine.result import RunResult

__all__ = ["Runner"]


class Runner(Protocol):
    """Runs one flow version. Results come without secrets. Raises `JournalError` where the record cannot be kept."""

    @property
    def flow(self) -> str:
        """The flow's name."""

    def start(self, event: Event, begun: Callable[[str], None] | None) -> RunResult:
        """Run the flow for an event, or continue or answer the run that the event has already made. `begun` is called
        with the run's id once it is durable. Raises `LeaseLost` while another process holds the run."""

    def reply(self, result: RunResult) -> Event | None:
        """The emitted event that is still to be handed on, as the reply to a delivery."""

    def show(self, run_id: str) -> RunResult:
        """How a run of this flow stands. Raises `RunNotFound`."""

    def decide(self, run_id: str, decision: Any) -> RunResult:
        """Resume a run that waits for a person. Raises `RunNotFound`, `LeaseLost`."""

    def cancel(self, run_id: str) -> bool:
        """Ask a run to stop; False when it has ended."""

    def sign(self, event: Event, body: bytes) -> Event:
        """The event with what the next worker asks for."""
