"""Runs and dead letters in the journal, as workers and the broker leave them."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any
from uuid import uuid4

from intellyhub_control_plane.models.builds import Build
from intellyhub_control_plane.models.repositories import FlowRepository
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
from intellyhub_knative.platform.seal import seal
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


def add_build(house: House, person: Person, flow_id: str, **fields: Any) -> str:
    """A build that waits."""
    build_id = uuid4().hex
    given = {"version": 1, "target": "", "key": "", "message": "victim", "status": "queued"} | fields
    with house.database.transaction() as session:
        session.add(Build(id=build_id, tenant_id=person.tenant_id, flow_id=flow_id, **given))
    return build_id


def add_repository(house: House, person: Person, url: str = "https://git.test/victim.git", **fields: Any) -> str:
    """A connected repository, whose secret is `secret-of-tests`."""
    repository_id = uuid4().hex
    sealed = seal("secret-of-tests", house.platform.keys)
    given = {"branch": "main", "path": "", "sealed_secret": sealed, "created_by": person.user_id, "flows": {}} | fields
    with house.database.transaction() as session:
        session.add(FlowRepository(id=repository_id, tenant_id=person.tenant_id, url=url, **given))
    return repository_id
