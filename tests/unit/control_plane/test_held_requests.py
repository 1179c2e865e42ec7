"""Runs started from the API on a cluster: requests are held while they go on, and the API answers all the same."""

from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, NamedTuple

import orjson
import pytest

from intellyhub_control_plane import flow_door, held_requests
from intellyhub_control_plane.doors import DoorAnswer
from intellyhub_control_plane.errors import Unreachable
from intellyhub_control_plane.held_requests import HeldRequests, NoPlace
from intellyhub_control_plane.models.flows import FlowVersion
from intellyhub_control_plane.settings import Target
from intellyhub_control_plane.target import places
from intellyhub_engine.errors import JournalUnwritable
from intellyhub_engine.events import Event as CloudEvent
from intellyhub_functions.testing.surroundings import await_that
from tests.unit.control_plane.conftest import fresh_database
from tests.unit.control_plane.house import House
from tests.unit.control_plane.records import OWNER, add_run, finished, step, suspended

DONE = DoorAnswer(200, {"content-type": "application/json"}, b"{}")


class Got(NamedTuple):
    path: str
    prefer: str | None
    key: str | None
    document: Any


class Worker:
    """Answers when it is let; what it does before, a test says."""

    def __init__(self):
        self.got, self.ends = [], Event()  # type: ignore[var-annotated]
        self.work = lambda got: None
        self.answer = (200, {"run_id": "late"}, "application/json")
        worker = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = self.headers
                got = Got(
                    self.path, headers["Prefer"], headers["Idempotency-Key"], orjson.loads(body) if body else None
                )
                worker.got.append(got)
                worker.work(got)
                assert worker.ends.wait(20)
                status, document, kind = worker.answer
                content = orjson.dumps(document)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_PUT = do_POST  # noqa: N815

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def worker(monkeypatch):
    worker = Worker()
    thread = Thread(target=worker.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(places, "find_address", lambda deployment, version: worker.url)
    yield worker
    worker.ends.set()
    worker.server.shutdown()
    thread.join()
    worker.server.server_close()


@pytest.fixture
def house(layout, request):
    with fresh_database("postgresql", layout, request) as url:
        house = House(layout, url, target=Target.KNATIVE)
        yield house
        await_that(lambda: not house.platform.held.number)
        house.platform.publisher.target.store.close()  # type: ignore[attr-defined]
        house.close()


@pytest.fixture
def ada(house):
    return house.person()


@pytest.fixture
def flow(house, ada):
    flow = house.flow(ada)
    with house.database.transaction() as session:
        session.get_one(FlowVersion, (flow["id"], 1)).image = f"registry.test/flow@sha256:{1:064x}"
    house.platform.publisher.publish_flow(ada.tenant_id, flow["id"])
    return flow


def start(house, ada, flow, body=None, **headers):
    return house.call(ada, "POST", f"/api/flows/{flow['id']}/execute", body or {}, **headers)


def begins(house, ada, flow, source="urn:intellyhub:http"):
    """What a worker does first: a run that the request's key, or its event, finds."""
    made = []

    def work(got):
        given = (got.document or {}).get("event") or {}
        event = CloudEvent(id=given.get("id", got.key), source=given.get("source", source), type="t")
        made.append(add_run(house, ada, flow["id"], event=event))

    return work, made


def test_the_answer_is_the_run_as_soon_as_it_is_there_while_its_request_is_held(house, ada, flow, worker):
    worker.work, made = begins(house, ada, flow)
    answer = start(house, ada, flow, {"variables": {"name": "Ada"}})
    assert (answer.status_code, [answer.json["run_id"]]) == (202, made)
    [got] = worker.got
    assert (got.path, got.prefer, got.document["variables"]) == ("/runs", None, {"name": "Ada"})
    assert house.platform.held.number == 1
    worker.ends.set()
    await_that(lambda: house.platform.held.number == 0)


def test_a_given_event_finds_its_run_by_its_own_id(house, ada, flow, worker):
    worker.work, made = begins(house, ada, flow)
    event = {"specversion": "1.0", "id": "e7", "source": "/shop", "type": "order", "data": {"n": 1}}
    assert [start(house, ada, flow, {"event": event}).json["run_id"]] == made


def test_the_callers_own_key_is_the_workers_too(house, ada, flow, worker):
    worker.work, made = begins(house, ada, flow)
    assert start(house, ada, flow, Idempotency_Key="mine").json["run_id"] == made[0]
    assert worker.got[0].key == "mine"


def test_a_run_that_ends_at_once_is_answered_at_once(house, ada, flow, worker):
    worker.ends.set()
    assert start(house, ada, flow).json["run_id"] == "late"
    problem = {"type": "urn:intellyhub:problem:input-unfit", "detail": "the name is missing", "status": 422}
    worker.answer = (422, problem, "application/problem+json")
    answer = start(house, ada, flow)
    assert (answer.status_code, answer.json["detail"]) == (422, "the name is missing")


@pytest.mark.parametrize(("how", "body"), [("replay", {}), ("fork", {"seq": 1, "variables": {"a": 1}})])
def test_a_copy_is_found_by_the_id_that_was_chosen_for_it(house, ada, flow, worker, how, body):
    run_id = add_run(house, ada, flow["id"], step(), finished())

    def work(got):
        first = house.platform.journal.history(run_id).start
        journal = house.platform.journal
        journal.begin(replace(first, run_id=got.key, copied_from=(run_id, 0)), owner=OWNER, lease_seconds=60)

    worker.work = work
    answer = house.call(ada, "POST", f"/api/runs/{run_id}/{how}", body)
    [got] = worker.got
    assert (answer.status_code, answer.json["run_id"], got.prefer) == (202, got.key, None)


def test_a_decision_is_taken_when_the_run_goes_on(house, ada, flow, worker):
    asks = suspended(approval="May it?")
    run_id = add_run(house, ada, flow["id"], step(), asks)

    def work(got):
        journal = house.platform.journal
        journal.claim(run_id, owner=OWNER, lease_seconds=60)
        journal.record(run_id, [step(2)], owner=OWNER, durable=True)

    worker.work = work
    answer = house.call(ada, "POST", f"/api/runs/{run_id}/resume", {"decision": True})
    assert (answer.status_code, answer.json["run_id"]) == (202, run_id)
    assert worker.got[0].document == {"decision": True}


def test_a_resumption_that_is_not_refused_soon_is_accepted(house, ada, flow, worker, monkeypatch):
    monkeypatch.setattr(flow_door, "REFUSAL_SECONDS", 0.1)
    run_id = add_run(house, ada, flow["id"], step(), suspended(until_ns=1))
    answer = house.call(ada, "POST", f"/api/runs/{run_id}/resume", {})
    assert (answer.status_code, answer.json["run_id"]) == (202, run_id)


def test_where_too_many_are_held_nobody_is_refused(house, ada, flow, worker, monkeypatch):
    monkeypatch.setattr(held_requests, "MOST_OF_A_TENANT", 0)
    object.__setattr__(house.platform, "held", HeldRequests(most_of_a_tenant=0))
    worker.ends.set()
    worker.answer = (202, {"run_id": "r1"}, "application/json")
    assert start(house, ada, flow).json["run_id"] == "r1"
    assert worker.got[0].prefer == "respond-async"


def test_what_never_begins_is_told_and_may_begin_yet(house, ada, flow, worker, monkeypatch):
    monkeypatch.setattr(flow_door, "ANSWER_SECONDS", 0.2)
    answer = start(house, ada, flow)
    assert (answer.status_code, "it may begin yet" in answer.json["detail"]) == (503, True)


def test_only_so_many_requests_are_held_at_all_and_of_a_tenant():
    ends, held = Event(), HeldRequests(most=3, most_of_a_tenant=2)

    def send():
        assert ends.wait(20)
        return DONE

    def ask(tenant_id):
        return held.ask(tenant_id, send, lambda: True, 5)

    assert [ask("a"), ask("a"), ask("b")] == [None] * 3
    for tenant_id in ("a", "b"):
        with pytest.raises(NoPlace):
            ask(tenant_id)
    ends.set()
    await_that(lambda: not held.number)
    assert ask("a") in (None, DONE)


def test_what_a_request_raises_comes_out_and_leaves_its_place():
    held = HeldRequests(most=1)

    def fail():
        raise Unreachable("flow", "nobody listens there")

    for _ in range(3):
        with pytest.raises(Unreachable, match="nobody listens"):
            held.ask("a", fail, lambda: False, 5)
        await_that(lambda: not held.number)


def test_a_journal_that_is_away_does_not_say_that_something_has_begun():
    ends, looks = Event(), []

    def look():
        looks.append(1)
        if len(looks) < 3:
            raise JournalUnwritable("it is away")
        return True

    assert HeldRequests().ask("a", lambda: ends.wait(20) and DONE, look, 5) is None  # type: ignore[arg-type, return-value]
    assert len(looks) == 3
    ends.set()
