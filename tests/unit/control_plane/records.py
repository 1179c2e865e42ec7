"""Runs and dead letters in the journal, as workers and the broker leave them."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any
from uuid import uuid4

from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import (
    Entry,
    Logged,
    RunFinished,
    RunStart,
    RunStatus,
    RunSuspended,
    StepFinished,
    StepStarted,
    StepStatus,
)
from intellyhub_knative.platform.outbox import Outcome, Routing, Settlement
from tests.unit.control_plane.house import HELLO, House, Person

OWNER = "worker/1/test"


def add_run(house: House, person: Person, flow_id: str, *entries: Entry, text: str = HELLO, **start: Any) -> str:
    """A run of a flow, with these entries; still running when none of them ends it."""
    run_id = uuid4().hex
    begun = RunStart(
        run_id=run_id,
        flow=f"{person.tenant_id}/{flow_id}",
        version=sha256(text.encode()).hexdigest(),
        started_ns=start.pop("started_ns", time.time_ns()),
        **start,
    )
    journal = house.platform.journal
    journal.begin(begun, owner=OWNER, lease_seconds=60)
    if entries:
        journal.record(run_id, entries, owner=OWNER, durable=True)
    return run_id


def step(seq: int = 1, state: str = "greet", attempt: int = 1, **more: Any) -> StepFinished:
    """A step that ended."""
    now = time.time_ns()
    given = {"status": StepStatus.SUCCEEDED, "next": "end", "changes": {}, "error": None} | more
    return StepFinished(
        seq=seq,
        state=state,
        type="set",
        attempt=attempt,
        started_ns=given.pop("started_ns", now),
        finished_ns=given.pop("finished_ns", now + 2_000_000),
        loops=None,
        emitted=given.pop("emitted", ()),
        **given,
    )


def started(seq: int, state: str, attempt: int = 1) -> StepStarted:
    return StepStarted(seq=seq, state=state, type="http", attempt=attempt, started_ns=time.time_ns())


def logged(message: str, seq: int = 1, at_ns: int | None = None) -> Logged:
    return Logged(seq=seq, level="info", message=message, at_ns=at_ns or time.time_ns())


def finished(status: RunStatus = RunStatus.SUCCEEDED, error: str | None = None, output: Any = None) -> RunFinished:
    return RunFinished(status=status, end_state="end", error=error, output=output, finished_ns=time.time_ns())


def suspended(**more: Any) -> RunSuspended:
    given = {"until_ns": None, "event_filter": None, "approval": None} | more
    return RunSuspended(seq=1, state="pause", **given)


def add_dead_letter(house: House, person: Person, flow_id: str, data: Any = None) -> int:
    """A delivery to a flow that was given up."""
    journal = house.platform.journal
    event = Event(id=uuid4().hex, source="/shop", type="order", data=data)
    [accepted] = journal.accept(person.tenant_id, [event])
    journal.route([Routing(accepted.number, (flow_id,))])
    [due] = [each for each in journal.due(time.time_ns() + 10**9) if each.flow_id == flow_id]
    journal.settle([Settlement(due.delivery_id, Outcome.DEAD, code=500, error="it failed")])
    return due.delivery_id
