"""Runs as the platform lists them."""

import pytest

from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import Logged, RunStatus
from tests.unit.engine.journal.runs import (
    begin,
    finished,
    make_event,
    record,
    step_finished,
    step_started,
    suspended,
)
from tests.unit.knative.platform.journal.services import FLOW, OTHER_TENANT, TENANT

SIBLING, OTHER_FLOW = f"{TENANT}/x", f"{OTHER_TENANT}/y"


def ids(runs):
    return [run.run_id for run in runs]


@pytest.fixture
def runs(client):
    """Six runs of three flows, the oldest first."""
    for number, flow in enumerate((FLOW, SIBLING, OTHER_FLOW) * 2):
        begin(client, f"run-{number}", flow=flow, event=make_event(f"e{number}"), started_ns=number)
    begin(client, "run-0.1.a", flow=FLOW, parent_id="run-0", lease_seconds=0)


def test_a_tenants_runs_are_listed_newest_first_page_by_page(client, runs):
    page = client.runs(under=f"{TENANT}/", limit=3)
    assert ids(page) == ["run-4", "run-3", "run-1"]
    assert ids(client.runs(under=f"{TENANT}/", limit=3, before="run-1")) == ["run-0"]
    assert ids(client.runs(under="f" * 32)) == []


def test_a_list_can_be_narrowed(client, runs):
    record(client, finished(RunStatus.FAILED, error="The Disk is full"), run_id="run-3")
    assert ids(client.runs(under=f"{TENANT}/", status=RunStatus.FAILED)) == ["run-3"]
    assert ids(client.runs(flow=FLOW)) == ["run-3", "run-0"]
    assert ids(client.runs(under=f"{TENANT}/", since_ns=1, until_ns=4)) == ["run-3", "run-1"]
    assert ids(client.runs(under=f"{TENANT}/", text="disk")) == ["run-3"]
    assert ids(client.runs(under=f"{TENANT}/", text="E4")) == ["run-4"]
    assert ids(client.runs(under=f"{TENANT}/", text="%")) == []
    assert ids(client.runs(parent_id="run-0")) == ["run-0.1.a"]


def test_runs_are_counted_by_status(client, runs):
    record(client, finished(), run_id="run-0")
    assert client.counts_of(FLOW) == {"running": 1, "waiting": 0, "succeeded": 1, "failed": 0, "cancelled": 0}
    assert client.counts_of(under=f"{TENANT}/")["running"] == 3


def test_the_run_of_an_event_is_found(client, runs):
    assert client.find_run(FLOW, "/door", "e3").run_id == "run-3"
    assert client.find_run(SIBLING, "/door", "e3") is None


def test_due_runs_come_with_flow_and_version(client, clock, runs):
    assert client.due_runs(clock.now_ns) == []
    record(client, suspended(until_ns=7), run_id="run-4")
    [run] = client.due_runs(clock.now_ns)
    assert (run.run_id, run.flow, run.version, run.wake_ns) == ("run-4", SIBLING, "abc", 7)
    clock.advance(31)
    assert len(client.due_runs(clock.now_ns)) == 6


def test_the_runs_that_wait_for_an_event_are_found_by_their_tenant(client, runs):
    for run_id in ("run-0.1.a", "run-1", "run-2"):
        record(client, suspended(event_filter={"type": "bell.rung"}), run_id=run_id)
    event = Event(id="1", source="/s", type="bell.rung")
    assert ids(client.waiting_runs(event, under=f"{TENANT}/")) == ["run-1", "run-0"]
    assert client.waiting_for(event, under=f"{TENANT}/") == ["run-1", "run-0.1.a"]
    assert client.waiting_for(event, flow=OTHER_FLOW) == ["run-2"]
    assert client.waiting_runs(Event(id="1", source="/s", type="other"), under=f"{TENANT}/") == []


def test_log_lines_come_newest_first_with_their_state(client, runs):
    record(client, step_started(1, state="ring"), Logged(1, "info", "first", 10), run_id="run-0")
    record(client, step_finished(1, state="ring"), run_id="run-0")
    record(client, Logged(2, "error", "child", 20), step_finished(2, state="deep"), run_id="run-0.1.a")
    record(client, Logged(0, "info", "other flow", 25), run_id="run-1")
    record(client, Logged(1, "info", "third", 30), Logged(1, "info", "fourth", 31), run_id="run-3")
    lines = client.logs(FLOW)
    assert [(line.message, line.state, line.run_id) for line in lines] == [
        ("fourth", None, "run-3"),
        ("third", None, "run-3"),
        ("child", "deep", "run-0.1.a"),
        ("first", "ring", "run-0"),
    ]
    assert (lines[2].level, lines[2].seq, lines[2].at_ns) == ("error", 2, 20)
    assert client.logs(FLOW, limit=2) == lines[:2]
    assert client.logs(FLOW, limit=2, before=lines[1].index) == lines[2:]
    assert [line.message for line in client.logs(under=f"{TENANT}/", limit=3)] == ["fourth", "third", "other flow"]


def test_the_newest_run_of_each_flow_is_told_in_one_answer(client, runs):
    assert ids(client.latest([SIBLING, f"{TENANT}/never-ran", FLOW])) == ["run-4", "run-3"]
    assert client.latest([]) == []
