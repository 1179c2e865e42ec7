"""A journal that lives as long as its process: for tests, and for runs nobody needs to find again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from intellyhub_engine.errors import RunNotFound
from intellyhub_engine.events import Event
from intellyhub_engine.journal.keeping import Remembered, Spent, day_of, refuse_key, refuse_value, tenant_of
from intellyhub_engine.journal.leases import lease_end, refuse_living_lease, refuse_stranger
from intellyhub_engine.journal.matching import event_key, event_matches
from intellyhub_engine.journal.records import (
    Entry,
    EventRuns,
    RunFinished,
    RunHistory,
    RunStart,
    RunStatus,
    RunSummary,
    RunSuspended,
    Used,
    total_of,
    used_in,
    wakings_in,
)

__all__ = ["MemoryJournal"]


@dataclass(slots=True)
class _Run:
    start: RunStart
    owner: str | None
    lease_until_ns: int
    status: RunStatus = RunStatus.RUNNING
    entries: list[Entry] = field(default_factory=list)
    cancel_requested: bool = False
    copied: int = 0
    """How many of the entries were another run's."""

    @property
    def ended(self) -> bool:
        return self.status not in {RunStatus.RUNNING, RunStatus.WAITING}

    @property
    def last(self) -> Entry | None:
        return self.entries[-1] if self.entries else None

    def suspension(self) -> RunSuspended | None:
        """What the run waits for, while it waits."""
        if self.status is not RunStatus.WAITING:
            return None
        return next(entry for entry in reversed(self.entries) if isinstance(entry, RunSuspended))

    def used(self) -> list[Used]:
        """What it has spent itself, since it began."""
        return used_in(self.entries[self.copied :])

    def append(self, entry: Entry) -> None:
        self.entries.append(entry)
        if isinstance(entry, RunFinished):
            self.status, self.owner = entry.status, None
        elif isinstance(entry, RunSuspended):
            self.status, self.owner = RunStatus.WAITING, None
        else:
            self.status = RunStatus.RUNNING


class MemoryJournal:
    """Satisfies `Journal` without a disk. Keeps the entries it is given; they must not be changed afterwards."""

    def __init__(self, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns = now_ns
        self._lock = threading.RLock()
        self._runs: dict[str, _Run] = {}
        self._keys: dict[tuple[str, str, str], str] = {}
        self._memories: dict[tuple[str, str], Remembered] = {}
        """Flow and key -> what is remembered."""
        self._wakings: dict[tuple[str, str, str], list[str]] = {}
        """Flow, source and id of an event -> the runs it has woken."""

    def begin(self, start: RunStart, *, owner: str, lease_seconds: float, entries: Sequence[Entry] = ()) -> RunHistory:
        """Make the run, or find the one with its id or key."""
        key = start.key
        with self._lock:
            found = self._runs.get(start.run_id) or (self._runs.get(self._keys.get(key, "")) if key else None)
            if found is None and key and start.event is not None:
                woken = self._woken_by(start.event, start.flow)
                found = self._top(self._runs[woken[0]]) if woken else None
            if found is None:
                made = _Run(start, owner, lease_end(self._now_ns(), lease_seconds), entries=list(entries))
                made.copied = len(made.entries)
                self._runs[start.run_id] = made
                if key:
                    self._keys[key] = start.run_id
                self._remember_wakings(made, entries)
                return _history(made)
            if found.status is RunStatus.RUNNING:
                self._take(found, owner, lease_seconds)
            return _history(found)

    def record(self, run_id: str, entries: Sequence[Entry], *, owner: str, durable: bool) -> None:
        """Append entries; `durable` makes no difference here."""
        with self._lock:
            run = self._find(run_id)
            refuse_stranger(run_id, run.owner, owner)
            for entry in entries:
                run.append(entry)
            self._remember_wakings(run, entries)

    def claim(self, run_id: str, *, owner: str, lease_seconds: float) -> RunHistory:
        """Take the run over."""
        with self._lock:
            run = self._find(run_id)
            if not run.ended:
                self._take(run, owner, lease_seconds)
            return _history(run)

    def renew(self, run_id: str, *, owner: str, lease_seconds: float) -> None:
        """Hold the run longer."""
        with self._lock:
            run = self._find(run_id)
            refuse_stranger(run_id, run.owner, owner)
            run.lease_until_ns = lease_end(self._now_ns(), lease_seconds)

    def release(self, run_id: str, *, owner: str) -> None:
        """Give the run back."""
        with self._lock:
            run = self._find(run_id)
            if run.owner == owner:
                run.owner = None

    def history(self, run_id: str) -> RunHistory:
        """The run and its entries."""
        with self._lock:
            return _history(self._find(run_id))

    def runs(
        self,
        *,
        flow: str | None = None,
        status: RunStatus | None = None,
        parent_id: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Sequence[RunSummary]:
        """A page of runs, newest first."""
        with self._lock:
            ids = list(self._runs)
            if before is not None:
                self._find(before)
                ids = ids[: ids.index(before)]
            page = [
                run
                for run in (self._runs[run_id] for run_id in reversed(ids))
                if run.start.parent_id == parent_id
                and (flow is None or run.start.flow == flow)
                and (status is None or run.status is status)
            ]
            return [_summary(run) for run in page[:limit]]

    def due(self, now_ns: int, *, limit: int = 100) -> Sequence[str]:
        """Runs to resume now, the longest overdue first."""
        with self._lock:
            overdue = [
                (since_ns, run.start.run_id)
                for run in self._runs.values()
                if run.start.parent_id is None and (since_ns := _due_since(run)) is not None and since_ns <= now_ns
            ]
            return [run_id for _, run_id in sorted(overdue, key=lambda row: row[0])[:limit]]

    def waiting_for(self, event: Event, *, flow: str | None = None) -> Sequence[str]:
        """Waiting runs, children too, whose filter the event matches."""
        with self._lock:
            return [
                run.start.run_id
                for run in self._runs.values()
                if (suspension := run.suspension()) is not None
                and suspension.event_filter is not None
                and (flow is None or self._top(run).start.flow == flow)
                and event_matches(event, suspension.event_filter)
                and run.start.run_id not in self._woken_by(event, self._top(run).start.flow)
            ]

    def runs_of_event(self, event: Event, *, flow: str) -> EventRuns:
        """The runs of a flow that have to do with an event."""
        with self._lock:
            begun = self._keys.get((flow, event.source, event.id))
            return EventRuns(begun, self._woken_by(event, flow), self.waiting_for(event, flow=flow))

    def request_cancel(self, run_id: str) -> bool:
        """Ask the run and its children to stop."""
        with self._lock:
            run = self._find(run_id)
            if run.ended:
                return False
            for child in [one for one in self._runs.values() if one.start.parent_id == run_id]:
                self.request_cancel(child.start.run_id)
            run.cancel_requested = True
            if run.status is RunStatus.WAITING and not self._is_held(run):
                run.append(RunFinished(RunStatus.CANCELLED, None, None, None, self._now_ns()))
            return True

    def cancel_requested(self, run_id: str) -> bool:
        """Whether someone asked."""
        with self._lock:
            return self._find(run_id).cancel_requested

    def remembered(self, flow: str, key: str) -> Remembered | None:
        """What the flow remembers under the key."""
        with self._lock:
            return self._memories.get((flow, key))

    def remember(self, flow: str, key: str, value: str | None, *, expected: int | None = None) -> bool:
        """Remember JSON under the key, or forget it."""
        refuse_key(key)
        refuse_value(key, len((value or "").encode()))
        with self._lock:
            version = self._memories[flow, key].version if (flow, key) in self._memories else 0
            if expected is not None and version != expected:
                return False
            if value is None:
                self._memories.pop((flow, key), None)
            else:
                self._memories[flow, key] = Remembered(value, version + 1)
            return True

    def spent(self, flow: str, *, since: str) -> Spent:
        """What the flow and its tenant have spent; runs are never deleted here, so it is theirs added up."""
        tenant = tenant_of(flow)
        with self._lock:
            runs = [run for run in self._runs.values() if run.start.flow.startswith(tenant)]
            amounts = [
                (run.start.flow, use.amounts) for run in runs for use in run.used() if day_of(use.at_ns) >= since
            ]
            own = total_of(each for name, each in amounts if name == flow)
            return Spent(own, total_of(each for _, each in amounts))

    def close(self) -> None:
        """Nothing to close."""

    def _find(self, run_id: str) -> _Run:
        try:
            return self._runs[run_id]
        except KeyError:
            raise RunNotFound(run_id) from None

    def _woken_by(self, event: Event, flow: str) -> list[str]:
        woken = self._wakings.get((flow, *event_key(event)), ())
        return [run_id for run_id in self._runs if run_id in woken] if woken else []

    def _remember_wakings(self, run: _Run, entries: Sequence[Entry]) -> None:
        for source, event_id in wakings_in(entries):
            self._wakings.setdefault((self._top(run).start.flow, source, event_id), []).append(run.start.run_id)

    def _top(self, run: _Run) -> _Run:
        """The run that a child run belongs to in the end."""
        while (parent := self._runs.get(run.start.parent_id or "")) is not None:
            run = parent
        return run

    def _take(self, run: _Run, owner: str, lease_seconds: float) -> None:
        now_ns = self._now_ns()
        refuse_living_lease(run.start.run_id, run.owner, run.lease_until_ns, now_ns)
        run.owner, run.lease_until_ns = owner, lease_end(now_ns, lease_seconds)

    def _is_held(self, run: _Run) -> bool:
        return run.owner is not None and run.lease_until_ns > self._now_ns()


def _due_since(run: _Run) -> int | None:
    """Since when the run could be resumed; None when only an event, a person or nothing can go on with it."""
    lease_end_ns = run.lease_until_ns if run.owner is not None else 0
    if run.status is RunStatus.RUNNING:
        return lease_end_ns
    suspension = run.suspension()
    if suspension is None or suspension.until_ns is None:
        return None
    return max(suspension.until_ns, lease_end_ns)


def _history(run: _Run) -> RunHistory:
    return RunHistory(start=run.start, entries=tuple(run.entries), status=run.status)


def _summary(run: _Run) -> RunSummary:
    ending = run.last if isinstance(run.last, RunFinished) else None
    suspension = run.suspension()
    return RunSummary(
        run_id=run.start.run_id,
        flow=run.start.flow,
        version=run.start.version,
        status=run.status,
        started_ns=run.start.started_ns,
        finished_ns=ending.finished_ns if ending else None,
        end_state=ending.end_state if ending else None,
        error=ending.error if ending else None,
        steps=max((getattr(entry, "seq", 0) for entry in run.entries), default=0),
        wake_ns=suspension.until_ns if suspension else None,
        parent_id=run.start.parent_id,
        copied_from=run.start.copied_from,
    )
