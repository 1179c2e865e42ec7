"""What is asked under `/runs`: who may, what is understood, what is done."""

import time

import orjson
import pytest

from intellyhub_engine.errors import OtherVersion
from intellyhub_engine.serving.access import Access, sign
from intellyhub_engine.serving.cloudevents import read_event
from intellyhub_engine.serving.problems import MAX_PROBLEM_BYTES
from tests.unit.engine.serving.fakes import BINARY, DELIVERY, KEY, FakeRunner, make_exchange, post

JSON = {"content-type": "application/json"}


def document(response):
    return orjson.loads(response.body)


def test_a_caller_starts_a_run_with_an_event_and_variables_of_its_choice():
    runner = FakeRunner()
    exchange = make_exchange(runner)
    body = b'{"event": {"title": "x"}, "variables": {"n": 2}}'
    assert exchange.answer(post(body, JSON | {"idempotency-key": "k1"}, target="/runs")).status == 200
    (event,) = runner.events
    assert (event.id, event.source, event.data) == ("k1", "urn:intellyhub:http", {"title": "x"})
    assert runner.asked == [("start", {"n": 2})]


def test_a_caller_may_hand_in_a_whole_cloudevent():
    runner = FakeRunner()
    exchange = make_exchange(runner)
    cloudevent = {"specversion": "1.0", "id": "e7", "source": "/s", "type": "t.made", "data": [1]}
    assert exchange.answer(post(orjson.dumps({"event": cloudevent}), JSON, target="/runs")).status == 200
    assert (runner.events[0].id, runner.events[0].data) == ("e7", [1])
    bad = {"event": {"specversion": "1.0", "id": "e7"}}
    assert exchange.answer(post(orjson.dumps(bad), JSON, target="/runs")).status == 400


def test_without_an_event_a_flow_runs_on_the_sample_of_its_listener():
    runner = FakeRunner()
    exchange = make_exchange(runner)
    exchange.rules = exchange.rules._replace(sample={"title": "a sample"})
    assert exchange.answer(post(target="/runs")).status == 200
    assert exchange.answer(post(b'{"event": null}', JSON, target="/runs")).status == 200
    assert [event.data for event in runner.events] == [{"title": "a sample"}, None]


@pytest.mark.parametrize("body", [b"[]", b'{"events": 1}', b'{"variables": [1]}', b"{"])
def test_a_start_that_cannot_be_read_starts_nothing(body):
    runner = FakeRunner()
    assert make_exchange(runner).answer(post(body, JSON, target="/runs")).status == 400
    assert runner.events == []


@pytest.mark.parametrize(
    ("method", "part", "body", "asked"),
    [
        ("PUT", "resumption", b"", ("r1", "resume")),
        ("PUT", "decision", b'{"decision": "yes"}', ("r1", "yes")),
        ("POST", "replays", b"", ("r1", "replay", {})),
        ("POST", "replays", b'{"variables": {"n": 1}}', ("r1", "replay", {"n": 1})),
        ("POST", "forks", b'{"seq": 3, "variables": {"n": 1}}', ("r1", "fork", 3, {"n": 1})),
    ],
)
def test_a_run_is_gone_on_with_or_repeated_while_the_caller_waits_or_not(method, part, body, asked):
    runner = FakeRunner()
    exchange = make_exchange(runner)
    assert exchange.answer(post(body, JSON, method=method, target=f"/runs/r1/{part}")).status == 200
    later = exchange.answer(post(body, JSON | {"prefer": "respond-async"}, method=method, target=f"/runs/r1/{part}"))
    assert (later.status, document(later)) == (202, {"run_id": "r1", "status": "running"})
    assert runner.asked == [asked, asked]


@pytest.mark.parametrize("body", [b"", b'{"seq": 0}', b'{"seq": true}', b'{"seq": "1"}', b'{"seq": 1, "n": 1}'])
def test_a_fork_needs_the_number_of_a_step(body):
    assert make_exchange().answer(post(body, JSON, target="/runs/r1/forks")).status == 400


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("GET", "/runs", "OPTIONS, POST"),
        ("GET", "/runs/r1/forks", "OPTIONS, POST"),
        ("PUT", "/runs/r1/replays", "OPTIONS, POST"),
        ("POST", "/runs/r1/resumption", "OPTIONS, PUT"),
    ],
)
def test_what_is_below_a_run_has_one_method(method, target, allow):
    for asked, status in ((method, 405), ("OPTIONS", 204)):
        response = make_exchange().answer(post(method=asked, target=target))
        assert (response.status, dict(response.headers)["Allow"]) == (status, allow)


@pytest.mark.parametrize(("part", "body"), [("replays", b"{}"), ("forks", b'{"seq": 3}')])
def test_the_key_of_a_copy_is_its_id(part, body):
    runner = FakeRunner()
    exchange = make_exchange(runner)
    chosen = post(body, JSON | {"idempotency-key": "a" * 32}, target=f"/runs/r1/{part}")
    assert exchange.answer(chosen).status == 200
    assert runner.asked[0][-1] == "a" * 32
    refused = post(body, JSON | {"idempotency-key": "mine"}, target=f"/runs/r1/{part}")
    assert exchange.answer(refused).status == 400


@pytest.mark.parametrize("target", ["/runs", "/runs/r1/replays"])
def test_a_signature_of_an_event_is_no_right_to_what_is_asked_about_runs(target):
    event = read_event(post(headers=BINARY))
    made = Access(secrets=(KEY,))
    signature = sign(event, b"", KEY, time.time()).extensions["intellyhubsig"]
    runner = FakeRunner()
    exchange = make_exchange(runner, access=made)
    assert exchange.answer(post(headers=BINARY | {"ce-intellyhubsig": signature})).status == 200
    refused = exchange.answer(post(headers=BINARY | {"ce-intellyhubsig": signature}, target=target))
    assert refused.status == 401
    assert len(runner.asked) == 1


@pytest.mark.parametrize("headers", [JSON, DELIVERY])
def test_a_run_of_another_version_says_which_one(headers):
    def work(event):
        raise OtherVersion("the run r1 began on another version " + "x" * 2000, version="d1" * 32)

    response = make_exchange(FakeRunner(work)).answer(post(b"{}", headers))
    assert (response.status, document(response)["type"]) == (409, "urn:intellyhub:problem:other-version")
    assert dict(response.headers)["X-IntellyHub-Version"] == "d1" * 32
    assert len(response.body) <= MAX_PROBLEM_BYTES
