"""Where a run stands, told by its journal alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from intellyhub_engine.journal.records import (
    Entry,
    RunFinished,
    RunSuspended,
    StepFinished,
    StepStarted,
    StepStatus,
)
from intellyhub_engine.machine.active import ActiveLoop

__all__ = ["Place", "fold", "prefix"]


class Place:
    """What a run's entries add up to."""

    __slots__ = (
        "attempt",
        "began",
        "changes",
        "finished",
        "last",
        "loops",
        "removed",
        "seq",
        "started_ns",
        "state",
        "suspended",
    )

    def __init__(self) -> None:
        self.seq = 0
        """The last step that ended."""
        self.state: str | None = None
        """The state to visit next; None before the first step, and after the last."""
        self.attempt = 1
        """Of the next step."""
        self.began: tuple[int, int] | None = None
        """Sequence and attempt of an effect that began and did not end: it is repeated."""
        self.started_ns = 0
        """When that effect began; 0 where none is in flight."""
        self.changes: dict[str, Any] = {}
        self.removed: set[str] = set()
        self.loops: dict[str, ActiveLoop] = {}
        self.suspended: RunSuspended | None = None
        self.finished: RunFinished | None = None
        self.last: StepFinished | None = None


def fold(entries: Iterable[Entry]) -> Place:
    """Go through the entries once, in order."""
    place = Place()
    for entry in entries:
        if isinstance(entry, StepFinished):
            finish(place, entry)
        elif isinstance(entry, StepStarted):
            place.state, place.attempt = entry.state, entry.attempt
            place.began, place.started_ns = (entry.seq, entry.attempt), entry.started_ns
            place.suspended = None
        elif isinstance(entry, RunSuspended):
            place.suspended, place.state = entry, entry.state
        elif isinstance(entry, RunFinished):
            place.finished = entry
    return place


def finish(place: Place, entry: StepFinished) -> None:
    retrying = entry.status is StepStatus.RETRYING
    place.seq = entry.seq - 1 if retrying else entry.seq
    place.attempt = entry.attempt + 1 if retrying else 1
    place.state = entry.state if retrying else entry.next
    place.began = place.suspended = None
    place.started_ns = 0
    place.last = entry
    place.changes.update(entry.changes)
    place.removed.difference_update(entry.changes)
    for name in entry.removed:
        place.changes.pop(name, None)
        place.removed.add(name)
    if entry.loops is not None:
        place.loops = {name: advanced(place.loops.get(name), kept) for name, kept in entry.loops.items()}


def advanced(loop: ActiveLoop | None, kept: Mapping[str, Any]) -> ActiveLoop:
    """The loop after a step; the record of the step that entered it has its items."""
    if "items" in kept or loop is None:
        return ActiveLoop(kept.get("items"), kept["index"])
    results = [*loop.results, kept["result"]] if "result" in kept else loop.results
    return ActiveLoop(loop.items, kept["index"], results)


def prefix(entries: Iterable[Entry], seq: int) -> list[Entry]:
    """The entries before step `seq`, without the run's own ends and waits."""
    return [entry for entry in entries if not isinstance(entry, RunFinished | RunSuspended) and entry.seq < seq]
