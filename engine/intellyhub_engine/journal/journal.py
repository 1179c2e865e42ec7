"""The contract every journal keeps: SQLite here, a service over a socket on the platform, memory in tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from intellyhub_engine.events import Event
from intellyhub_engine.journal.keeping import Remembered, Spent
from intellyhub_engine.journal.records import Entry, EventRuns, RunHistory, RunStart, RunStatus, RunSummary

__all__ = ["Journal"]


class Journal(Protocol):
    """Runs and their entries. Safe to use from several threads at once.

    Raises `JournalUnwritable`, `JournalFull`; a run written by a holder whose lease was taken raises `LeaseLost`.
    """

    def begin(self, start: RunStart, *, owner: str, lease_seconds: float, entries: Sequence[Entry] = ()) -> RunHistory:
        """Make the run durable together with the entries it begins with (those of the run it copies), or find the one
        that has the same key (flow, event source, event id), with all its entries; or one of the flow that this event
        has woken. The answer's `start.run_id` tells which. A `run_id` that exists is found too, whatever its key: so a
        parent finds its children, and a fork is made once. A new run, or a found one that is neither ended nor held by
        a living lease, is held by `owner` from now on; a found run that someone else holds raises `LeaseLost`. Child
        runs come with `lease_seconds` 0: their parent's lease covers them, and its next holder takes them over at once.
        """

    def record(self, run_id: str, entries: Sequence[Entry], *, owner: str, durable: bool) -> None:
        """Append entries in order. With `durable` they, and all before them, are on the disk when this returns;
        without, they are at the latest with the next durable call. A `RunFinished` or `RunSuspended` ends the lease;
        by a `RunWoken` the run is found when its event comes again.
        Raises `ValueRefused`, having appended nothing, for an entry too large to keep: it names state and variable."""

    def claim(self, run_id: str, *, owner: str, lease_seconds: float) -> RunHistory:
        """Take a run over to resume it. Raises `LeaseLost` while a lease lives, whoever asks. An ended run is only
        read. A waiting run stays `WAITING` until something is recorded."""

    def renew(self, run_id: str, *, owner: str, lease_seconds: float) -> None:
        """Hold the run longer."""

    def release(self, run_id: str, *, owner: str) -> None:
        """Give the run back without an end, so that another may claim it at once. Does nothing where it is not held."""

    def history(self, run_id: str) -> RunHistory:
        """The run, whoever holds it."""

    def runs(
        self,
        *,
        flow: str | None = None,
        status: RunStatus | None = None,
        parent_id: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Sequence[RunSummary]:
        """Newest first. Child runs are listed only for their `parent_id`. `before` is the last id of the one before."""

    def due(self, now_ns: int, *, limit: int = 100) -> Sequence[str]:
        """Runs to resume now: waiting ones whose time has come, and running ones whose lease has ended. No children."""

    def waiting_for(self, event: Event, *, flow: str | None = None) -> Sequence[str]:
        """Waiting runs whose `event_filter` the event matches, but for those that it has woken before; of this flow,
        with child runs below it."""

    def runs_of_event(self, event: Event, *, flow: str) -> EventRuns:
        """The run of this flow that the event made, those that it woke, those that wait for it. All as they stood at
        one moment: a run that is being woken is among the one or the other."""

    def request_cancel(self, run_id: str) -> bool:
        """Ask for cancellation; False when the run has already ended. A waiting run is cancelled at once."""

    def cancel_requested(self, run_id: str) -> bool:
        """Whether someone asked."""

    def remembered(self, flow: str, key: str) -> Remembered | None:
        """What the flow remembers under the key; None where it remembers nothing."""

    def remember(self, flow: str, key: str, value: str | None, *, expected: int | None = None) -> bool:
        """Remember JSON under the key, or with None forget it; on the disk when this returns. With `expected`, the
        version that was read, only where that still stands there: else False. Raises `InputInvalid` for a value that is
        too large, and where the flow's memory is full."""

    def spent(self, flow: str, *, since: str) -> Spent:
        """What the flow and its tenant have spent since a day (`2026-01-31`, UTC), that day included, as far as it is
        recorded."""

    def close(self) -> None:
        """Flush and close."""
