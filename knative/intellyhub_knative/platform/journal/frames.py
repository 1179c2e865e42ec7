"""What the live stream and the log of the platform are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from intellyhub_engine.errors import JournalError
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.encoding import decode_record
from intellyhub_engine.journal.records import Entry, RunFinished, RunStatus, RunSuspended
from intellyhub_knative.platform.journal.reading import POSITION_BITS

__all__ = ["Frame", "LogLine", "first_record", "last_index", "unfold"]


@dataclass(frozen=True)
class Frame:
    """One entry of a run, with its place."""

    run_id: str
    flow: str
    """The journal's name of the flow."""
    index: int
    """Rises with every entry that is recorded, in all runs; to be handed back as `after`."""
    entry: Entry | None
    """None: the run began."""
    status: RunStatus
    """Of the run, after this entry."""


@dataclass(frozen=True)
class LogLine:
    """One line that a run has logged."""

    index: int
    """To be handed back as `before`."""
    run_id: str
    seq: int
    level: str
    message: str
    at_ns: int
    state: str | None


def first_record(after: int) -> int:
    """The record before the first one that may hold entries behind an index."""
    return max((after >> POSITION_BITS) - 1, 0)


def last_index(record: int) -> int:
    """The index behind which nothing of a record or of those before it lies."""
    return (record + 1 << POSITION_BITS) - 1


def unfold(rows: Sequence[Sequence[Any]], bodies: Sequence[bytes], after: int) -> Iterator[Frame]:
    """The entries behind an index of the records that the service sent. Raises `JournalError` for a damaged one."""
    for (number, run_id, flow), body in zip(rows, bodies, strict=True):
        try:
            frames = list(_frames(number, run_id, flow, body))
        except (ValueError, TypeError, KeyError, IndexError) as fault:
            raise JournalError(f"record {number} of run {run_id} is damaged") from fault
        yield from (frame for frame in frames if frame.index > after)


def _frames(number: int, run_id: str, flow: str, body: bytes) -> Iterator[Frame]:
    if orjson.loads(body)[0][0] == "start":
        yield Frame(run_id, flow, number << POSITION_BITS, None, RunStatus.RUNNING)
        return
    for position, entry in enumerate(decode_record(body)):
        yield Frame(run_id, flow, number << POSITION_BITS | position, entry, status_after(entry))


def status_after(entry: Entry) -> RunStatus:
    """What a run is when this is the last that was recorded of it."""
    if isinstance(entry, RunFinished):
        return entry.status
    return RunStatus.WAITING if isinstance(entry, RunSuspended) else RunStatus.RUNNING
