"""The journal behind a service: what a worker uses on the platform."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from intellyhub_engine.events import Event
from intellyhub_engine.journal import operations
from intellyhub_engine.journal.channel import PATIENCE_SECONDS, Channel
from intellyhub_engine.journal.credentials import Token
from intellyhub_engine.journal.keeping import Remembered, Spent
from intellyhub_engine.journal.operations import Steps
from intellyhub_engine.journal.records import Entry, EventRuns, RunHistory, RunStart, RunStatus, RunSummary
from intellyhub_engine.journal.wire import Answer, Call

__all__ = ["RemoteJournal", "perform"]

Result = TypeVar("Result")

_MAX_REMEMBERED = 10_000
_UNCANCELLED_SECONDS = 0.05
"""How long what a record's answer said of a cancellation is good enough for who asks right after it."""


class RemoteJournal:
    """Satisfies `Journal` over a socket: `address` is a unix socket's path, `http://host:port` or `https://host:port`
    (there `authority` is the file of certificates that the service is known by; None: those of the system). Connects
    with the first call, and again after the service was away; a `TokenFile` is read each time.

    Thread-safe; may be used on both sides of a fork. Raises `JournalUnwritable` where the service stays away for
    `patience_seconds`, or refuses the token.
    """

    def __init__(
        self,
        address: str | Path,
        token: Token,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        authority: Path | None = None,
    ) -> None:
        self._channel = Channel(address, token, patience_seconds=patience_seconds, authority=authority)
        self._uncancelled: dict[str, float] = {}
        """Runs nobody wanted cancelled when their last record was committed -> `time.monotonic()` then."""

    def knock(self) -> None:
        """Connect now, without waiting for the answer: the first call need not wait for it either."""
        self._channel.knock()

    def begin(self, start: RunStart, *, owner: str, lease_seconds: float, entries: Sequence[Entry] = ()) -> RunHistory:
        """Make the run durable, or find the one with its id or key."""
        return self._perform(operations.begin(start, owner=owner, lease_seconds=lease_seconds, entries=entries))

    def record(self, run_id: str, entries: Sequence[Entry], *, owner: str, durable: bool) -> None:
        """Append entries; on the disk when this returns, if `durable`."""
        steps = operations.record(run_id, entries, owner=owner, durable=durable)
        if self._perform(steps) and durable and len(self._uncancelled) < _MAX_REMEMBERED:
            self._uncancelled[run_id] = time.monotonic()
        else:
            self._uncancelled.pop(run_id, None)

    def claim(self, run_id: str, *, owner: str, lease_seconds: float) -> RunHistory:
        """Take the run over."""
        return self._perform(operations.claim(run_id, owner=owner, lease_seconds=lease_seconds))

    def renew(self, run_id: str, *, owner: str, lease_seconds: float) -> None:
        """Hold the run longer."""
        self._perform(operations.renew(run_id, owner=owner, lease_seconds=lease_seconds))

    def release(self, run_id: str, *, owner: str) -> None:
        """Give the run back."""
        self._perform(operations.release(run_id, owner=owner))

    def history(self, run_id: str) -> RunHistory:
        """The run with every entry recorded so far."""
        return self._perform(operations.history(run_id))

    def runs(
        self,
        *,
        flow: str | None = None,
        status: RunStatus | None = None,
        parent_id: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Sequence[RunSummary]:
        """A page of runs, newest first; with a flow's token, of that flow."""
        return self._perform(operations.runs(flow=flow, status=status, parent_id=parent_id, limit=limit, before=before))

    def due(self, now_ns: int, *, limit: int = 100) -> Sequence[str]:
        """Runs to resume now, the longest overdue first; with a flow's token, of that flow."""
        return self._perform(operations.due(now_ns, limit=limit))

    def waiting_for(self, event: Event, *, flow: str | None = None) -> Sequence[str]:
        """Waiting runs, children too, whose filter the event matches; with a flow's token, of that flow."""
        return self._perform(operations.waiting_for(event, flow=flow))

    def runs_of_event(self, event: Event, *, flow: str) -> EventRuns:
        """The runs of a flow that have to do with an event; with a token of another flow, none."""
        return self._perform(operations.runs_of_event(event, flow=flow))

    def request_cancel(self, run_id: str) -> bool:
        """Ask the run and its children to stop."""
        asked = self._perform(operations.request_cancel(run_id))
        self._uncancelled.clear()
        return asked

    def cancel_requested(self, run_id: str) -> bool:
        """Whether someone asked; another process's wish is seen within 50 ms."""
        seen = self._uncancelled.get(run_id)
        if seen is not None and time.monotonic() - seen < _UNCANCELLED_SECONDS:
            return False
        return self._perform(operations.cancel_requested(run_id))

    def remembered(self, flow: str, key: str) -> Remembered | None:
        """What the flow remembers under the key."""
        return self._perform(operations.remembered(flow, key))

    def remember(self, flow: str, key: str, value: str | None, *, expected: int | None = None) -> bool:
        """Remember JSON under the key, or forget it; on the disk when this returns."""
        return self._perform(operations.remember(flow, key, value, expected=expected))

    def spent(self, flow: str, *, since: str) -> Spent:
        """What the flow and its tenant have spent."""
        return self._perform(operations.spent(flow, since=since))

    def accept(self, tenant_id: str, events: Sequence[Event], *, hops: int = 0) -> Sequence[tuple[int, bool]]:
        """Put events of a tenant into the platform's outbox, all or none; they are on the disk when this returns. For
        each, its number and whether it was there already. Raises `InputInvalid` for one that is too large."""
        return self._perform(operations.accept(tenant_id, events, hops=hops))

    def close(self) -> None:
        """Make everything recorded durable, then close."""
        try:
            if self._channel.has_told:
                self._channel.ask(Call("flush"))
        finally:
            self._channel.close()

    def _perform(self, steps: Steps[Result]) -> Result:
        return perform(self._channel, steps)


def perform(channel: Channel, steps: Steps[Result]) -> Result:
    """Do what an operation asks for, waiting for each answer."""
    answer: Answer | None = None
    while True:
        try:
            call = steps.send(answer)  # type: ignore[arg-type]
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        answer = channel.ask(call)
