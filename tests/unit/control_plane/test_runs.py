"""Runs as people see them: lists, values, steps, log lines; and what can be done to them."""

import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from intellyhub_control_plane.models.audit import AuditEntry
from intellyhub_control_plane.present.runs import make_steps
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunHistory, RunStart, RunStatus, StepStatus
from tests.unit.control_plane.flow_worker import FlowWorker
from tests.unit.control_plane.house import HELLO, HOOK
from tests.unit.control_plane.records import add_run, finished, logged, started, step, suspended


@pytest.fixture
def ada(house):
    return house.person()


@pytest.fixture
def flow(house, ada):
    return house.flow(ada)


def test_a_run_is_shown_with_its_values(house, ada, flow):
    event = Event(id="1", source="/shop", type="order", data={"total": 3}, extensions={"region": "it"})
    run_id = add_run(
        house,
        ada,
        flow["id"],
        step(1, changes={"text": "Hi", "gone": 1}),
        step(2, changes={"n": 10**30}, removed=("gone",)),
        finished(output={"ok": True}),
        event=event,
        variables={"name": "Ada"},
    )
    run = house.call(ada, "GET", f"/api/runs/{run_id}").json
    assert run["flow"] == {"id": flow["id"], "slug": "hello", "name": "Hello"}
    assert (run["version"], run["status"], run["end_state"], run["steps"]) == (1, "succeeded", "end", 2)
    assert run["event"]["data"] == {"total": 3}
    assert run["event"]["region"] == "it"
    assert run["variables"] == {"name": "Ada", "text": "Hi", "n": 1e30}
    assert run["output"] == {"ok": True}
    assert run["duration_ms"] >= 0
    assert datetime.fromisoformat(run["started_at"]).tzinfo is UTC or run["started_at"].endswith("Z")


def test_secrets_are_masked_wherever_values_come_back(house, ada, flow):
    house.call(ada, "POST", "/api/secrets", {"name": "API_KEY", "value": "tops3cret"})
    event = Event(id="1", source="/s", type="t", data="with tops3cret inside")
    changes = {"url": "https://x/?k=tops3cret"}
    run_id = add_run(
        house,
        ada,
        flow["id"],
        step(changes=changes, error="tops3cret refused", emitted=(event,)),
        logged("it is tops3cret"),
        finished(RunStatus.FAILED, "tops3cret refused", output="tops3cret"),
        event=event,
        variables={"key": "tops3cret"},
    )
    for page in (f"runs/{run_id}", f"runs/{run_id}/steps"):
        text = house.call(ada, "GET", f"/api/{page}").text
        assert "tops3cret" not in text
        assert "***" in text


def test_what_a_run_waits_for_is_told(house, ada, flow):
    wake_ns = time.time_ns() + 3600 * 10**9
    waits = {
        "approval": suspended(approval="May it?", until_ns=wake_ns),
        "event": suspended(event_filter={"type": "paid"}),
        "time": suspended(until_ns=wake_ns),
        "children": suspended(),
    }
    for kind, entry in waits.items():
        run_id = add_run(house, ada, flow["id"], entry)
        run = house.call(ada, "GET", f"/api/runs/{run_id}").json
        assert (run["status"], run["waiting_for"]["kind"], run["waiting_for"]["state"]) == ("waiting", kind, "pause")
        assert (run["wake_at"] is not None) == (entry.until_ns is not None)
        [listed] = [each for each in house.call(ada, "GET", "/api/runs").json["items"] if each["id"] == run_id]
        assert listed["waiting_for"] == run["waiting_for"]


def test_a_list_of_runs_is_filtered_and_walked(house, ada, flow):
    other = house.flow(ada, name="Other")
    now_ns = time.time_ns()
    failed = [
        add_run(house, ada, flow["id"], finished(RunStatus.FAILED, f"broke {number}"), started_ns=now_ns + number)
        for number in range(3)
    ]
    add_run(house, ada, other["id"], finished())
    page = house.call(ada, "GET", "/api/runs?limit=2&status=failed&flow=hello").json
    assert [run["id"] for run in page["items"]] == failed[:0:-1]
    assert page["items"] == page["runs"]
    rest = house.call(ada, "GET", f"/api/runs?limit=2&status=failed&flow=hello&cursor={page['next_cursor']}").json
    assert ([run["id"] for run in rest["items"]], rest["next_cursor"]) == (failed[:1], None)
    assert [run["id"] for run in house.call(ada, "GET", "/api/runs?q=broke%201").json["items"]] == [failed[1]]
    assert len(house.call(ada, "GET", "/api/runs").json["items"]) == 4
    assert house.call(ada, "GET", "/api/runs?since=2100-01-01T00:00:00Z").json["items"] == []
    assert house.call(ada, "GET", "/api/runs?until=0001-01-01T00:00:00Z").json["items"] == []
    assert len(house.call(ada, "GET", "/api/runs?until=9999-12-31T00:00:00Z").json["items"]) == 4
    assert house.call(ada, "GET", "/api/runs?since=yesterday").status_code == 422
    assert house.call(ada, "GET", "/api/runs?flow=nothing").status_code == 404


def test_another_tenants_run_is_no_cursor(house, ada, flow):
    run_id = add_run(house, ada, flow["id"], finished())
    add_run(house, ada, flow["id"], finished())
    cursor = house.call(ada, "GET", "/api/runs?limit=1").json["next_cursor"]
    assert house.call(house.person(), "GET", f"/api/runs?cursor={cursor}").status_code == 404
    assert run_id not in cursor


def test_steps_are_attempts_with_their_log_lines():
    now = 10**18
    entries = (
        started(1, "fetch")._replace(started_ns=now),
        logged("first", 1, now + 1),
        step(1, "fetch", status=StepStatus.RETRYING, error="no", started_ns=now, finished_ns=now + 2),
        started(1, "fetch", attempt=2)._replace(started_ns=now + 3),
        logged("second", 1, now + 4),
        step(1, "fetch", attempt=2, started_ns=now + 3, finished_ns=now + 5),
        logged("after", 1, now + 6),
        logged("of the run", 0, now + 7),
        started(2, "send"),
    )
    history = RunHistory(
        start=RunStart(run_id="r", flow="t/f", version="v", started_ns=now), entries=entries, status=RunStatus.RUNNING
    )
    steps = make_steps(history, ())
    shown = [(each.seq, each.attempt, each.status, [line.message for line in each.logs]) for each in steps]
    assert shown == [
        (1, 1, StepStatus.RETRYING, ["first"]),
        (1, 2, StepStatus.SUCCEEDED, ["second", "after"]),
        (2, 1, StepStatus.RUNNING, []),
    ]


def test_log_lines_come_oldest_first_with_a_way_to_older_ones(house, ada, flow):
    add_run(house, ada, flow["id"], *(logged(f"line {number}") for number in range(5)), finished())
    newest = house.call(ada, "GET", "/api/flows/hello/logs?limit=2").json
    assert [line["message"] for line in newest["items"]] == ["line 3", "line 4"]
    older = house.call(ada, "GET", f"/api/flows/hello/logs?limit=2&cursor={newest['next_cursor']}").json
    assert [line["message"] for line in older["logs"]] == ["line 1", "line 2"]
    oldest = house.call(ada, "GET", f"/api/flows/hello/logs?limit=1&cursor={older['next_cursor']}").json
    assert ([line["message"] for line in oldest["items"]], oldest["next_cursor"]) == (["line 0"], None)


def test_streams_are_handed_to_the_gateway_once_the_rights_are_checked(house, ada, flow):
    run_id = add_run(house, ada, flow["id"])
    of_run = house.call(ada, "GET", f"/api/runs/{run_id}/events")
    of_flow = house.call(ada, "GET", "/api/flows/hello/logs?follow=true")
    assert of_run.headers["X-IntellyHub-Stream"] == f"runs/{run_id}"
    assert of_flow.headers["X-IntellyHub-Stream"] == f"flows/{flow['id']}"
    stranger = house.call(house.person(), "GET", f"/api/runs/{run_id}/events")
    assert (stranger.status_code, "X-IntellyHub-Stream" in stranger.headers) == (404, False)


def test_a_run_is_cancelled_once(house, ada, flow):
    run_id = add_run(house, ada, flow["id"], suspended(approval="May it?"))
    answer = house.call(ada, "POST", f"/api/runs/{run_id}/cancel")
    assert (answer.status_code, answer.json["status_url"]) == (202, f"/api/runs/{run_id}")
    assert house.call(ada, "GET", f"/api/runs/{run_id}").json["status"] == "cancelled"
    assert house.call(ada, "POST", f"/api/runs/{run_id}/cancel").json["type"] == "urn:intellyhub:problem:conflict"
    with house.database.transaction(writing=False) as session:
        assert session.scalars(select(AuditEntry.action)).all() == ["flow.created", "run.cancelled"]


def test_executing_asks_the_flows_own_worker_with_the_flows_own_token(house, ada, flow):
    with FlowWorker(house, ada, flow) as worker:
        worker.answers.append((202, {"run_id": "r1", "status": "running"}))
        answer = house.call(
            ada, "POST", "/api/flows/hello/execute", {"event": {"a": 1}, "variables": {"b": 2}}, Idempotency_Key="k"
        )
    assert (answer.status_code, answer.json) == (202, {"run_id": "r1", "status_url": "/api/runs/r1", "event": "given"})
    [got] = worker.got
    assert (got.method, got.path, got.document) == ("POST", "/runs", {"event": {"a": 1}, "variables": {"b": 2}})
    assert got.headers["Authorization"] == f"Bearer {worker.token}"
    assert (got.headers["Prefer"], got.headers["Idempotency-Key"]) == ("respond-async", "k")


def test_a_run_without_an_event_says_what_it_runs_on_and_needs_no_body(house, ada, flow):
    hook = house.flow(ada, HOOK, "Hook")
    with FlowWorker(house, ada, flow) as plain, FlowWorker(house, ada, hook) as listening:
        plain.answers.append((202, {"run_id": "r1"}))
        listening.answers.append((202, {"run_id": "r2"}))
        answers = [house.call(ada, "POST", f"/api/flows/{name}/execute") for name in ("hello", "hook")]
    assert [(answer.status_code, answer.json["event"]) for answer in answers] == [(202, "none"), (202, "sample")]


def test_who_waits_gets_the_run_when_it_ends_in_time_else_its_address(house, ada, flow):
    ended, running = add_run(house, ada, flow["id"], finished(output=7)), add_run(house, ada, flow["id"])
    with FlowWorker(house, ada, flow) as worker:
        worker.answers += [(202, {"run_id": ended}), (202, {"run_id": running})]
        done = house.call(ada, "POST", "/api/flows/hello/execute", {"wait_seconds": 5})
        late = house.call(ada, "POST", "/api/flows/hello/execute", {"wait_seconds": 0.05})
    assert (done.status_code, done.json["output"]) == (200, 7)
    assert (late.status_code, late.headers["Location"]) == (202, f"/api/runs/{running}")


@pytest.mark.parametrize(
    ("status", "document", "told"),
    [
        (400, {"detail": "the flow has no such state"}, 422),
        (404, {"detail": "no run"}, 404),
        (409, {"detail": "it has ended"}, 409),
        (500, {"type": "urn:intellyhub:problem:internal", "detail": "x"}, 503),
        (500, {"type": "urn:intellyhub:problem:run-failed", "run_id": "r1"}, 202),
        (503, {"detail": "busy"}, 503),
    ],
)
def test_what_a_worker_refuses_is_told_in_our_own_words(house, ada, flow, status, document, told):
    with FlowWorker(house, ada, flow) as worker:
        worker.answers.append((status, document))
        assert house.call(ada, "POST", "/api/flows/hello/execute", {}).status_code == told


def test_a_run_is_resumed_on_the_version_it_began_on(house, ada, flow):
    run_id = add_run(house, ada, flow["id"], suspended(approval="May it?", until_ns=time.time_ns()))
    house.call(ada, "PUT", "/api/flows/hello", {"yaml_content": HELLO.replace("Hi", "Hello")})
    with FlowWorker(house, ada, flow, version=1) as worker, FlowWorker.activator(house) as activator:
        worker.answers += [(202, {"run_id": run_id})] * 2
        activator.answers += [(204, None)] * 2
        decided = house.call(ada, "POST", f"/api/runs/{run_id}/resume", {"decision": {"approved": True}})
        woken = house.call(ada, "POST", f"/api/runs/{run_id}/resume", {})
    assert (decided.status_code, woken.status_code) == (202, 202)
    assert [(got.method, got.path, got.document) for got in worker.got] == [
        ("PUT", f"/runs/{run_id}/decision", {"decision": {"approved": True}}),
        ("PUT", f"/runs/{run_id}/resumption", None),
    ]
    assert activator.got[0].path == f"/sockets/{flow['id']}/1"


@pytest.mark.parametrize(
    ("waits", "told"),
    [
        ({"approval": "May it?"}, "give a `decision`"),
        ({"event_filter": {"type": "paid"}}, "post one that it waits for"),
        ({"until_ns": 4_000_000_000 * 10**9}, "2096-10-02T07:06:40.000Z"),
    ],
)
def test_a_run_that_still_waits_is_not_woken_for_nothing(house, ada, flow, waits, told):
    run_id = add_run(house, ada, flow["id"], suspended(**waits))
    answer = house.call(ada, "POST", f"/api/runs/{run_id}/resume", {})
    assert (answer.status_code, answer.json["type"]) == (409, "urn:intellyhub:problem:conflict")
    assert told in answer.json["detail"]


def test_an_ended_run_is_not_resumed(house, ada, flow):
    run_id = add_run(house, ada, flow["id"], finished())
    assert house.call(ada, "POST", f"/api/runs/{run_id}/resume", {}).status_code == 409


def test_a_run_is_replayed_and_forked_on_a_version_of_ones_choice(house, ada, flow):
    run_id = add_run(house, ada, flow["id"], step(), finished())
    house.call(ada, "PUT", "/api/flows/hello", {"yaml_content": HELLO.replace("Hi", "Hello")})
    with (
        FlowWorker(house, ada, flow, version=2) as current,
        FlowWorker(house, ada, flow, version=1) as older,
        FlowWorker.activator(house) as activator,
    ):
        current.answers.append((202, {"run_id": "copy"}))
        older.answers.append((202, {"run_id": "fork"}))
        activator.answers.append((204, None))
        replayed = house.call(ada, "POST", f"/api/runs/{run_id}/replay", {})
        wanted = {"seq": 1, "variables": {"name": "Bob"}, "version": 1}
        forked = house.call(ada, "POST", f"/api/runs/{run_id}/fork", wanted)
    assert (replayed.json["run_id"], forked.json["run_id"]) == ("copy", "fork")
    assert current.got[0].path == f"/runs/{run_id}/replays"
    assert (older.got[0].path, older.got[0].document) == (
        f"/runs/{run_id}/forks",
        {"seq": 1, "variables": {"name": "Bob"}},
    )
    assert house.call(ada, "POST", f"/api/runs/{run_id}/replay", {"version": 9}).status_code == 404
