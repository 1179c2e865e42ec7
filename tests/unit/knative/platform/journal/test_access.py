"""A flow's token opens that flow's runs and its tenant's outbox, and nothing else."""

import time
from contextlib import closing

import pytest

from intellyhub_engine.errors import InputInvalid, JournalUnwritable, RunNotFound
from intellyhub_engine.events import Event
from intellyhub_engine.journal.wire import Call
from intellyhub_knative.platform.journal.access import Scope, Wards, flow_token, recognise
from intellyhub_knative.platform.keys import Keys, Purpose
from tests.unit.engine.journal.runs import ALICE, BOB, begin, make_event, record, step_finished, suspended
from tests.unit.knative.platform.journal.services import BELL, FLOW, KEYS, OTHER_TENANT, TENANT

OTHER_FLOW = f"{OTHER_TENANT}/{BELL}"
SIBLING = f"{TENANT}/{BELL}"
NO_RECORDS = (b"", b"{}", b'["x"]', b'[["finished"]]', b'[["odd", 1]]', b"[[]]", b"\xff", b'[["log", "x", 1, 2, 3]]')
EVENT = Event(id="1", source="/door", type="bell.rung")


FOREIGN = {
    "history": lambda worker, run_id: worker.history(run_id),
    "entries": lambda worker, run_id: worker.entries(run_id),
    "claim": lambda worker, run_id: worker.claim(run_id, owner=BOB, lease_seconds=1),
    "renew": lambda worker, run_id: worker.renew(run_id, owner=ALICE, lease_seconds=1),
    "release": lambda worker, run_id: worker.release(run_id, owner=ALICE),
    "record": lambda worker, run_id: record(worker, step_finished(), run_id=run_id),
    "request_cancel": lambda worker, run_id: worker.request_cancel(run_id),
    "cancel_requested": lambda worker, run_id: worker.cancel_requested(run_id),
    "begin": lambda worker, run_id: begin(worker, run_id, flow=FLOW),
    "begin_of_a_child": lambda worker, run_id: begin(worker, f"{run_id}.1.x", flow=FLOW, parent_id=run_id),
}


PLATFORM = {
    "runs": lambda worker: worker.runs(under=f"{OTHER_TENANT}/"),
    "counts": lambda worker: worker.counts(),
    "counts_of": lambda worker: worker.counts_of(FLOW),
    "unrouted": lambda worker: worker.unrouted(),
    "due": lambda worker: worker.due(1),
    "due_runs": lambda worker: worker.due_runs(1),
    "next_due_ns": lambda worker: worker.next_due_ns(),
    "route": lambda worker: worker.route([]),
    "settle": lambda worker: worker.settle([]),
    "dead_letters": lambda worker: worker.dead_letters(TENANT),
    "redeliver": lambda worker: worker.redeliver(TENANT, []),
    "discard": lambda worker: worker.discard(TENANT, []),
    "find_run": lambda worker: worker.find_run(FLOW, "/door", "1"),
    "waiting_for": lambda worker: worker.waiting_for(EVENT, under=f"{OTHER_TENANT}/"),
    "waiting_runs": lambda worker: worker.waiting_runs(EVENT, under=f"{OTHER_TENANT}/"),
    "woken_runs": lambda worker: worker.woken_runs(EVENT, flow=FLOW),
    "logs": lambda worker: worker.logs(FLOW),
    "orphan": lambda worker: worker.orphan(ALICE),
    "delete_flow": lambda worker: worker.delete_flow(FLOW),
    "prune": lambda worker: worker.prune(older_than_ns=2**62),
    "wait_for_work": lambda worker: worker.wait_for_work(1),
}


@pytest.fixture
def worker(service):
    made = service.client(flow_token(KEYS, FLOW))
    yield made
    made.close()


def test_a_token_says_for_whom_it_is_and_proves_it():
    assert recognise(KEYS.token(Purpose.JOURNAL), KEYS).flow is None
    assert recognise(flow_token(KEYS, FLOW), KEYS) == (FLOW,)
    assert recognise(flow_token(KEYS, FLOW), KEYS).tenant_id == TENANT


@pytest.mark.parametrize(
    "token",
    [
        "",
        ":",
        "x",
        FLOW + ":",
        KEYS.token(Purpose.CALLER),
        KEYS.token(Purpose.JOURNAL, FLOW),
        f"{OTHER_FLOW}:{KEYS.token(Purpose.JOURNAL, FLOW)}",
        f"{FLOW}:{KEYS.token(Purpose.JOURNAL)}",
        flow_token(Keys(b"x" * 32), FLOW),
        "ü" * 1000,
    ],
)
def test_a_wrong_token_is_refused_at_once(service, token):
    client = service.client(token or " ")
    began = time.monotonic()
    with pytest.raises(JournalUnwritable, match="the token is not one of this platform's"):
        client.counts()
    assert time.monotonic() - began < 2
    client.close()


@pytest.fixture
def runs(client):
    """One running run of each flow."""
    for number, flow in enumerate((FLOW, SIBLING, OTHER_FLOW)):
        begin(client, f"run-{number}", flow=flow, event=make_event())
    return ["run-1", "run-2"]


@pytest.mark.parametrize("number", [1, 2], ids=["of the same tenant", "of another tenant"])
@pytest.mark.parametrize("operation", FOREIGN)
def test_a_run_of_another_flow_is_not_there(worker, runs, clock, operation, number):
    clock.advance(31)
    with pytest.raises(RunNotFound):
        FOREIGN[operation](worker, runs[number - 1])


def test_a_run_cannot_be_begun_for_another_flow(worker):
    for flow in (SIBLING, OTHER_FLOW, ""):
        with pytest.raises(JournalUnwritable, match="this token is for runs of the flow"):
            begin(worker, flow=flow)


def test_a_child_run_belongs_to_the_flow_of_its_parent_whatever_its_own_name(worker, client):
    begin(worker, "top", flow=FLOW)
    begin(worker, "top.1.a", flow=OTHER_FLOW, parent_id="top", lease_seconds=0)
    begin(worker, "top.1.a.1.b", flow="anything", parent_id="top.1.a", lease_seconds=0)
    record(worker, suspended(event_filter={"type": "bell.rung"}), run_id="top.1.a.1.b")
    intruder = "top.1.a"
    assert worker.history(intruder).start.flow == OTHER_FLOW
    assert client.waiting_runs(EVENT, under=f"{OTHER_TENANT}/") == []
    assert [run.run_id for run in client.waiting_runs(EVENT, under=f"{TENANT}/")] == ["top"]


def test_a_child_run_of_another_flow_gives_no_way_into_it(service, worker):
    begin(worker, "top", flow=FLOW)
    begin(worker, "top.1.a", flow=OTHER_FLOW, parent_id="top", lease_seconds=0)
    with pytest.raises(RunNotFound), closing(service.client(flow_token(KEYS, OTHER_FLOW))) as other:
        other.history("top.1.a")


def test_lists_show_the_own_flow_only(service, runs, clock, client):
    clock.advance(31)
    record(client, suspended(event_filter={"type": "bell.rung"}), run_id="run-1")
    journal = service.journal(flow_token(KEYS, FLOW))
    assert [run.run_id for run in journal.runs()] == ["run-0"]
    assert journal.runs(flow=OTHER_FLOW) == []
    assert journal.due(clock.now_ns) == ["run-0"]
    assert journal.waiting_for(EVENT) == []
    assert journal.waiting_for(EVENT, flow=SIBLING) == []
    assert [list(ids or ()) for ids in journal.runs_of_event(EVENT, flow=SIBLING)] == [[], [], []]
    assert client.runs_of_event(make_event("2"), flow=SIBLING).waiting == ["run-1"]
    with pytest.raises(RunNotFound):
        journal.runs(parent_id="run-2")
    with pytest.raises(RunNotFound):
        journal.runs(before="run-2")
    journal.close()


def test_events_are_accepted_for_the_own_tenant_only(service, client):
    journal = service.journal(flow_token(KEYS, FLOW))
    assert journal.accept(TENANT, [make_event()]) == [(1, False)]
    for tenant_id in (OTHER_TENANT, ""):
        with pytest.raises(JournalUnwritable, match="events of another tenant"):
            journal.accept(tenant_id, [make_event()])
    assert client.counts()["unrouted"] == 1
    journal.close()


@pytest.mark.parametrize("operation", PLATFORM)
def test_what_is_the_platforms_is_refused_to_a_flow(worker, operation):
    with pytest.raises(JournalUnwritable, match="a flow's token does not allow this"):
        PLATFORM[operation](worker)


def test_what_no_engine_would_send_is_refused(service):
    journal = service.journal(flow_token(KEYS, FLOW))
    begin(journal, flow=FLOW)

    for body in (
        b"",
        b"{}",
        b'["x"]',
        b'[["finished"]]',
        b'[["odd", 1]]',
        b"[[]]",
        b"\xff",
        b'[["log", "x", 1, 2, 3]]',
    ):
        with pytest.raises(InputInvalid):
            journal._channel.ask(Call("record", ("run-1", ALICE, True, 1), body))
    assert journal.history("run-1").entries == ()
    journal.close()


class NoConnection:
    """A database that nobody may ask."""

    def execute(self, *_):
        raise AssertionError("this was known")


def test_whose_a_new_run_is_need_not_be_asked():
    wards = Wards()
    wards.learn("run", "flow", None)
    wards.learn("run.1.a", "called", "run")
    wards.learn("orphan.1.a", "flow", "orphan")  # its parent is not known: it may be anyone's
    wards.permit(Scope("flow"), "run", NoConnection())  # type: ignore[arg-type]
    wards.permit(Scope("flow"), "run.1.a", NoConnection())  # type: ignore[arg-type]
    with pytest.raises(RunNotFound):
        wards.permit(Scope("called"), "run.1.a", NoConnection())  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        wards.permit(Scope("flow"), "orphan.1.a", NoConnection())  # type: ignore[arg-type]


def test_a_run_that_was_found_is_not_learned_as_the_finders(service, client):
    begin(client, "theirs", flow=OTHER_FLOW)
    with closing(service.journal(flow_token(KEYS, FLOW))) as worker:
        with pytest.raises(RunNotFound):
            begin(worker, "theirs", flow=FLOW)
        with pytest.raises(RunNotFound):
            worker.history("theirs")
