"""What a client does for each operation of a journal behind a service, without saying how it reaches the service.

Each operation is a generator: it yields calls, is sent their answers, and returns its result. So those who wait by
blocking and those who wait in an event loop share all of it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Iterable, Sequence
from typing import Any, TypeVar

from intellyhub_engine.errors import InputInvalid, ValueRefused
from intellyhub_engine.events import Event
from intellyhub_engine.journal.encoding import (
    decode_record,
    decode_start,
    encode_entries,
    encode_event,
    encode_start,
    refuse_broken_text,
)
from intellyhub_engine.journal.keeping import Remembered, Spent, refuse_key, refuse_value
from intellyhub_engine.journal.records import Entry, EventRuns, RunHistory, RunStart, RunStatus, RunSummary, highest_seq
from intellyhub_engine.journal.wire import MAX_FRAME_BYTES, Answer, Call, join, split

__all__ = [
    "Steps",
    "accept",
    "begin",
    "cancel_requested",
    "claim",
    "due",
    "encode_events",
    "history",
    "make_summary",
    "new_mark",
    "record",
    "release",
    "remember",
    "remembered",
    "renew",
    "request_cancel",
    "runs",
    "runs_of_event",
    "spent",
    "waiting_for",
]

Result = TypeVar("Result")
Steps = Generator[Call, Answer, Result]

_MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES - 64 * 1024
"""What bodies may take in a frame beside its head."""


class Marks:
    """Numbers for requests, each given once among all clients of a journal, also after a fork or a restart."""

    def __init__(self) -> None:
        self._process = 0
        self._numbers = itertools.count()

    def __call__(self) -> int:
        if self._process != os.getpid():
            self._process = os.getpid()
            self._numbers = itertools.count(int.from_bytes(os.urandom(8), "big") >> 2)
        return next(self._numbers)


new_mark = Marks()


def begin(start: RunStart, *, owner: str, lease_seconds: float, entries: Sequence[Entry] = ()) -> Steps[RunHistory]:
    """As `Journal.begin`."""
    refuse_broken_text(start)
    try:
        body = encode_start(start).encode()
        copied = encode_entries(entries).encode() if entries else b""
    except ValueRefused as fault:
        raise InputInvalid(str(fault)) from fault
    _, source, event_id = start.key or (None, None, None)
    identity = (start.run_id, start.parent_id, start.flow, start.version, start.started_ns, start.copied_from)
    arguments = (*identity, source, event_id, owner, lease_seconds, new_mark(), len(body), highest_seq(entries))
    run_id, is_new = (yield Call("begin", arguments, body + copied, start.run_id)).value
    if is_new:
        return RunHistory(start=start, entries=tuple(decode_record(copied)) if copied else (), status=RunStatus.RUNNING)
    return (yield from history(run_id))


def record(run_id: str, entries: Sequence[Entry], *, owner: str, durable: bool) -> Steps[bool]:
    """As `Journal.record`; whether nobody had asked for the run's cancellation."""
    body = encode_entries(entries).encode()
    if len(body) > _MAX_PAYLOAD_BYTES and len(entries) > 1:
        half = len(entries) // 2
        yield from record(run_id, entries[:half], owner=owner, durable=durable)
        return (yield from record(run_id, entries[half:], owner=owner, durable=durable))
    answer = yield Call("record", (run_id, owner, durable, new_mark()), body, run_id, durable)
    return bool(answer.value)


def claim(run_id: str, *, owner: str, lease_seconds: float) -> Steps[RunHistory]:
    """As `Journal.claim`."""
    yield Call("claim", (run_id, owner, lease_seconds, new_mark()), b"", run_id)
    return (yield from history(run_id))


def renew(run_id: str, *, owner: str, lease_seconds: float) -> Steps[None]:
    """As `Journal.renew`."""
    yield Call("renew", (run_id, owner, lease_seconds), b"", run_id)


def release(run_id: str, *, owner: str) -> Steps[None]:
    """As `Journal.release`."""
    yield Call("release", (run_id, owner), b"", run_id)


def history(run_id: str) -> Steps[RunHistory]:
    """As `Journal.history`. A long one comes in pages; entries are only ever added."""
    (head, status, after), payload = yield Call("history", (run_id, 0))
    bodies = split(payload)
    while after is not None:
        (_, status, after), payload = yield Call("history", (run_id, after))
        bodies += split(payload)
    flow, version, started_ns, parent_id, copied_from = head
    event, variables, state = decode_start(bodies[0])
    entries: list[Entry] = []
    for body in bodies[1:]:
        entries += decode_record(body)
    start = RunStart(
        run_id=run_id,
        flow=flow,
        version=version,
        started_ns=started_ns,
        event=event,
        variables=variables,
        parent_id=parent_id,
        state=state,
        copied_from=copied_from and (copied_from[0], copied_from[1]),
    )
    return RunHistory(start=start, entries=tuple(entries), status=RunStatus(status))


def runs(
    *,
    flow: str | None = None,
    status: RunStatus | None = None,
    parent_id: str | None = None,
    limit: int = 50,
    before: str | None = None,
) -> Steps[Sequence[RunSummary]]:
    """As `Journal.runs`."""
    answer = yield Call("runs", (flow, status, parent_id, limit, before))
    return [make_summary(row) for row in answer.value]


def due(now_ns: int, *, limit: int = 100) -> Steps[Sequence[str]]:
    """As `Journal.due`."""
    return (yield Call("due", (now_ns, limit))).value  # type: ignore[no-any-return]


def waiting_for(event: Event, *, flow: str | None = None) -> Steps[Sequence[str]]:
    """As `Journal.waiting_for`."""
    return (yield Call("waiting_for", (flow,), encode_events([event]))).value  # type: ignore[no-any-return]


def runs_of_event(event: Event, *, flow: str) -> Steps[EventRuns]:
    """As `Journal.runs_of_event`."""
    return EventRuns(*(yield Call("runs_of_event", (flow,), encode_events([event]))).value)


def request_cancel(run_id: str) -> Steps[bool]:
    """As `Journal.request_cancel`."""
    return bool((yield Call("request_cancel", (run_id, new_mark()))).value)


def cancel_requested(run_id: str) -> Steps[bool]:
    """As `Journal.cancel_requested`."""
    return bool((yield Call("cancel_requested", (run_id,))).value)


def remembered(flow: str, key: str) -> Steps[Remembered | None]:
    """As `Journal.remembered`."""
    answer = yield Call("remembered", (flow, key))
    return None if answer.value is None else Remembered(answer.payload.decode(), answer.value)


def remember(flow: str, key: str, value: str | None, *, expected: int | None = None) -> Steps[bool]:
    """As `Journal.remember`."""
    refuse_key(key)
    body = (value or "").encode()
    refuse_value(key, len(body))
    return bool((yield Call("remember", (flow, key, value is None, expected, new_mark()), body)).value)


def spent(flow: str, *, since: str) -> Steps[Spent]:
    """As `Journal.spent`."""
    return Spent(*(yield Call("spent", (flow, since))).value)


def accept(tenant_id: str, events: Sequence[Event], *, hops: int = 0) -> Steps[list[tuple[int, bool]]]:
    """Store events of a tenant in the outbox; for each, its number and whether it was there already."""
    answer = yield Call("accept", (tenant_id, hops, new_mark()), encode_events(events))
    return [(number, known) for number, known in answer.value]


def encode_events(events: Iterable[Event]) -> bytes:
    """Events as a payload. Raises `InputInvalid` for one that cannot be kept."""
    try:
        return join([encode_event(event) for event in events])
    except ValueRefused as fault:
        raise InputInvalid(str(fault)) from fault


def make_summary(row: Sequence[Any]) -> RunSummary:
    """A summary from the fields that the service sends, in the order of the class."""
    run_id, flow, version, status, started, finished, end_state, error, steps, wake, parent_id, copied = row
    return RunSummary(
        run_id=run_id,
        flow=flow,
        version=version,
        status=RunStatus(status),
        started_ns=started,
        finished_ns=finished,
        end_state=end_state,
        error=error,
        steps=steps,
        wake_ns=wake,
        parent_id=parent_id,
        copied_from=copied and (copied[0], copied[1]),
    )
