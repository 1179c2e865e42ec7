"""The contract: what is answered to whom."""

import threading

import orjson
import pytest

from intellyhub_engine.errors import InputInvalid, InputUnfit, JournalFull, JournalUnwritable, LeaseLost
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.serving.access import Access
from intellyhub_engine.serving.cloudevents import read_event
from intellyhub_engine.serving.problems import MAX_PROBLEM_BYTES
from tests.unit.engine.serving.fakes import (
    BINARY,
    DELIVERY,
    KEY,
    TOKEN,
    FakeRunner,
    emitting,
    make_exchange,
    make_result,
    post,
)

JSON = {"content-type": "application/json"}
FAILED = make_result(RunStatus.FAILED, end_state="send", error="the mail server said no", variables={})
RETRYABLE = make_result(RunStatus.FAILED, error="connection refused", retry_after_seconds=2.5)
WAITING = make_result(RunStatus.WAITING, end_state=None)
CANCELLED = make_result(RunStatus.CANCELLED, error="the run was cancelled")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def answering(result, **choices):
    return make_exchange(FakeRunner(lambda event: result), **choices)


def document(response):
    return orjson.loads(response.body)


def raising(fault, **choices):
    def work(event):
        raise fault

    return make_exchange(FakeRunner(work), **choices)


def test_a_caller_gets_the_variables_of_a_flow_that_gives_no_answer():
    response = answering(make_result()).answer(post(b"{}", JSON))
    assert (response.status, response.content_type) == (200, "application/json")
    assert document(response) == {"run_id": "r1", "status": "succeeded", "end_state": "end", "variables": {"n": 1}}
    assert dict(response.headers) == {"Intellyhub-Run": "r1"}


def test_a_caller_gets_the_answer_of_a_flow_that_gives_one():
    answer = document(answering(make_result(output=[1, 2])).answer(post()))
    assert answer == {"run_id": "r1", "status": "succeeded", "end_state": "end", "output": [1, 2]}


def test_a_caller_whose_run_waits_gets_202_and_where_to_look():
    response = answering(WAITING).answer(post())
    assert response.status == 202
    assert document(response) == {"run_id": "r1", "status": "waiting"}
    assert dict(response.headers)["Location"] == "/runs/r1"


def test_a_caller_whose_run_failed_gets_a_problem_document():
    response = answering(FAILED).answer(post())
    assert (response.status, response.content_type) == (500, "application/problem+json")
    assert document(response) == {
        "type": "urn:intellyhub:problem:run-failed",
        "title": "The flow failed",
        "status": 500,
        "detail": "the mail server said no",
        "run_id": "r1",
        "state": "send",
    }


def test_a_failure_that_may_pass_says_when_to_come_again():
    for headers in ({}, DELIVERY):
        response = answering(RETRYABLE).answer(post(headers=headers))
        assert response.status == 503
        assert dict(response.headers)["Retry-After"] == "3"


def test_a_caller_whose_run_was_cancelled_gets_409():
    assert answering(CANCELLED).answer(post()).status == 409


@pytest.mark.parametrize(("result", "status"), [(make_result(), 204), (WAITING, 202), (FAILED, 204), (CANCELLED, 204)])
def test_a_delivery_gets_an_empty_answer_whatever_came_of_it(result, status):
    response = answering(result).answer(post(b"{}", DELIVERY | JSON))
    assert (response.status, response.body, response.content_type, response.headers) == (status, b"", None, ())


@pytest.mark.parametrize("headers", [{"kn-namespace": "a"}, {"prefer": "reply"}, {"prefer": "wait=5, Reply"}])
def test_either_mark_of_a_broker_makes_a_delivery(headers):
    assert answering(make_result()).answer(post(headers=BINARY | headers)).body == b""


def test_a_deliverys_reply_is_the_last_emitted_event_and_nothing_else():
    events = [Event(id=str(n), source="/f", type="t.done", data={"n": n}) for n in (1, 2)]
    response = answering(make_result(entries=emitting(*events))).answer(post(headers=DELIVERY))
    assert (response.status, response.body, response.content_type) == (200, b'{"n":2}', "application/json")
    assert dict(response.headers) == {"ce-specversion": "1.0", "ce-id": "2", "ce-source": "/f", "ce-type": "t.done"}


def test_a_reply_is_signed_as_the_next_worker_asks_for():
    runner = FakeRunner(lambda event: make_result(entries=emitting(Event(id="1", source="/f", type="t", data=1))))
    runner.key = KEY
    response = make_exchange(runner).answer(post(headers=DELIVERY))
    headers = dict(response.headers) | {"content-type": response.content_type}
    Access(secrets=(KEY,)).admit(post(response.body, headers), 1_800_000_000)


def test_a_reply_belongs_to_the_trace_of_the_event_that_caused_it():
    runner = FakeRunner(lambda event: make_result(entries=emitting(Event(id="1", source="/f", type="t"))))
    response = make_exchange(runner).answer(post(headers=DELIVERY | {"ce-traceparent": TRACE, "ce-tracestate": "a=b"}))
    headers = dict(response.headers)
    assert (headers["ce-traceparent"], headers["ce-tracestate"]) == (TRACE, "a=b")


def test_an_event_without_a_trace_joins_the_one_of_its_request():
    runner = FakeRunner()
    make_exchange(runner).answer(post(headers=BINARY | {"traceparent": TRACE}))
    assert runner.events[0].extensions == {"traceparent": TRACE}
    other = TRACE.replace("b7", "c8")
    make_exchange(runner).answer(post(headers=BINARY | {"traceparent": TRACE, "ce-traceparent": other}))
    assert runner.events[1].extensions == {"traceparent": other}


def test_a_plain_request_becomes_an_event_that_says_how_it_came():
    runner = FakeRunner()
    headers = JSON | {"authorization": "Bearer x", "cookie": "c", "x-api-key": "k", "user-agent": "curl"}
    make_exchange(runner).answer(post(b'{"a":1}', headers, method="PUT", target="/a/b%20c?q=1&q=2&r="))
    (event,) = runner.events
    assert (event.source, event.type) == ("urn:intellyhub:http", "io.intellyhub.http.request")
    assert event.time is not None
    assert event.time.endswith("Z")
    assert event.data == {
        "method": "PUT",
        "path": "/a/b%20c",
        "query": {"q": ["1", "2"], "r": ""},
        "headers": {"content-type": "application/json", "user-agent": "curl"},
        "body": {"a": 1},
        "ip": "127.0.0.1",
    }


def test_a_flow_that_listens_to_something_else_gets_the_body_as_its_events_data():
    runner = FakeRunner()
    make_exchange(runner, whole_request=False).answer(post(b'{"text":"hi"}', JSON))
    assert runner.events[0].data == {"text": "hi"}


def test_an_idempotency_key_is_the_events_id_and_without_one_every_id_is_new():
    runner = FakeRunner()
    exchange = make_exchange(runner)
    for key in ("k1", "k1", None, None):
        exchange.answer(post(headers={"idempotency-key": key} if key else {}))
    first, second, third, fourth = (event.id for event in runner.events)
    assert first == second == "k1"
    assert len({first, third, fourth}) == 3


def test_a_caller_who_does_not_wait_is_answered_once_the_run_is_durable():
    go_on = threading.Event()
    runner = FakeRunner(lambda event: go_on.wait(10) and make_result())
    exchange = make_exchange(runner)
    response = exchange.answer(post(headers={"prefer": "respond-async"}))
    assert (response.status, document(response)) == (202, {"run_id": "r1", "status": "running"})
    assert exchange.busy
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "accepted":
            thread.join(10)
    assert not exchange.busy


def test_a_run_that_cannot_be_recorded_is_not_accepted():
    class Unrecorded(FakeRunner):
        def start(self, event, begun, variables=None):
            raise JournalFull("the disk is full")

    response = make_exchange(Unrecorded()).answer(post(headers={"prefer": "respond-async"}))
    assert response.status == 503


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (JournalFull("full"), 503, "journal-unavailable"),
        (JournalUnwritable("/secret/path"), 503, "journal-unavailable"),
        (LeaseLost("held"), 503, "in-flight"),
        (InputInvalid("the run does not wait for this event"), 400, "bad-request"),
        (InputUnfit("the input does not fit the flow 'x': $.n: 'a' is no number"), 422, "input-unfit"),
        (ZeroDivisionError("internals"), 500, "internal"),
    ],
)
def test_every_fault_is_answered_with_a_problem_without_internals(fault, status, kind):
    for headers in ({}, DELIVERY):
        response = raising(fault, patience_seconds=0.01).answer(post(headers=headers))
        assert response.status == status
        assert document(response)["type"] == f"urn:intellyhub:problem:{kind}"
        assert b"secret" not in response.body
        assert b"internals" not in response.body


def test_an_event_that_another_worker_has_in_hand_is_waited_for():
    faults = [LeaseLost("held"), LeaseLost("held")]

    def work(event):
        if faults:
            raise faults.pop()
        return make_result()

    assert make_exchange(FakeRunner(work), patience_seconds=10).answer(post(headers=DELIVERY)).status == 204


def test_no_error_body_is_larger_than_knatives_dispatcher_can_take():
    for error in ("x" * 5000, "è" * 5000, '"\\\n' * 900, "\u0001" * 3000, "💥" * 700, "x" * 600):
        for part in ("s" * 3000, "\u0001" * 3000):
            result = make_result(
                RunStatus.FAILED, error=error, end_state=part, run_id="r" * 3000, retry_after_seconds=1
            )
            response = answering(result).answer(post(headers=DELIVERY))
            assert len(response.body) <= MAX_PROBLEM_BYTES
            assert document(response)["status"] == 503
    long = "x" * 5000
    for request in (
        post(long.encode(), JSON),
        post(method=long),
        post(b"x", {"content-type": long}),
        post(b"x", BINARY | {"ce-x-" + long: "x"}),
    ):
        response = make_exchange().answer(request)
        assert 400 <= response.status < 500
        assert len(response.body) <= MAX_PROBLEM_BYTES


def test_a_body_beyond_the_limit_is_refused():
    exchange = make_exchange(max_body_bytes=10)
    assert exchange.answer(post(b'"12345678"', JSON)).status == 200
    assert exchange.answer(post(b'"123456789"', JSON)).status == 413


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "TRACE", "CONNECT", "PROPFIND"])
def test_other_methods_are_not_offered(method):
    response = make_exchange().answer(post(method=method))
    assert (response.status, dict(response.headers)["Allow"]) == (405, "OPTIONS, PATCH, POST, PUT")


@pytest.mark.parametrize(
    ("target", "allow"),
    [
        ("/", "OPTIONS, PATCH, POST, PUT"),
        ("*", "OPTIONS, PATCH, POST, PUT"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/runs/r1", "GET, HEAD, OPTIONS"),
        ("/runs/r1/decision", "OPTIONS, PUT"),
    ],
)
def test_options_says_what_is_offered_to_everyone(target, allow):
    response = make_exchange(access=Access()).answer(post(method="OPTIONS", target=target))
    assert (response.status, dict(response.headers)["Allow"]) == (204, allow)


def test_without_a_token_nothing_is_run_and_nothing_is_told():
    runner = FakeRunner()
    exchange = make_exchange(runner, access=Access(tokens=(TOKEN.encode(),)))
    for method, target in (
        ("POST", "/"),
        ("GET", "/runs/r1"),
        ("PUT", "/runs/r1/cancellation"),
        ("GET", "/metrics"),
        ("GET", "/nowhere"),
    ):
        assert exchange.answer(post(method=method, target=target)).status == 401
    assert (runner.events, runner.asked) == ([], [])


def test_health_is_told_to_everyone():
    exchange = make_exchange(access=Access())
    for path in ("/healthz", "/readyz"):
        assert exchange.answer(post(method="GET", target=path)).status == 200
    assert exchange.answer(post(method="POST", target="/healthz")).status == 405


def test_a_worker_that_stops_is_alive_but_not_ready():
    exchange = make_exchange()
    exchange.stopping = True
    assert exchange.answer(post(method="GET", target="/healthz")).status == 200
    assert exchange.answer(post(method="GET", target="/readyz")).status == 503


@pytest.mark.parametrize(("metrics", "status"), [("token", 401), ("open", 200), ("off", 404)])
def test_who_may_read_the_metrics_is_a_setting(metrics, status):
    exchange = make_exchange(access=Access(), metrics=metrics)
    assert exchange.answer(post(method="GET", target="/metrics")).status == status


def test_metrics_count_runs_and_answers():
    exchange = answering(FAILED)
    exchange.answer(post())
    exchange.answer(post(method="GET"))
    page = exchange.answer(post(method="GET", target="/metrics")).body.decode()
    for line in (
        'intellyhub_runs_total{flow="demo",status="failed"} 1',
        'intellyhub_answers_total{flow="demo",code="500"} 1',
        'intellyhub_answers_total{flow="demo",code="405"} 1',
        'intellyhub_runs_in_flight{flow="demo"} 0',
        'intellyhub_run_duration_seconds_bucket{flow="demo",le="+Inf"} 1',
        'intellyhub_run_duration_seconds_count{flow="demo"} 1',
    ):
        assert line in page.splitlines()


def test_a_run_can_be_looked_at():
    exchange = make_exchange()
    response = exchange.answer(post(method="GET", target="/runs/r1"))
    assert (response.status, document(response)["status"]) == (200, "waiting")
    assert exchange.answer(post(method="GET", target="/runs/r2")).status == 404


def test_a_waiting_run_takes_a_persons_decision():
    runner = FakeRunner()
    exchange = make_exchange(runner)
    response = exchange.answer(post(b'{"decision": "yes"}', JSON, method="PUT", target="/runs/r1/decision"))
    assert response.status == 200
    assert exchange.answer(post(b'"yes"', JSON, method="PUT", target="/runs/r1/decision")).status == 400
    assert exchange.answer(post(method="POST", target="/runs/r1/decision")).status == 405
    assert runner.asked == [("r1", "yes")]


def test_a_run_can_be_cancelled_unless_it_has_ended():
    exchange = make_exchange()
    assert exchange.answer(post(method="PUT", target="/runs/r1/cancellation")).status == 202
    assert exchange.answer(post(method="PUT", target="/runs/r9/cancellation")).status == 409


@pytest.mark.parametrize("target", ["/runs/", "/runs/r1/other", "/runs/r1/decision/x"])
def test_a_run_has_nothing_else(target):
    assert make_exchange().answer(post(method="GET", target=target)).status == 404


def test_the_same_event_is_run_once_at_a_time():
    first_runs, go_on = threading.Event(), threading.Event()
    running = []

    def work(event):
        running.append(event)
        assert len(running) == 1
        first_runs.set()
        go_on.wait(10)
        running.clear()
        return make_result()

    runner = FakeRunner(work)
    exchange = make_exchange(runner)
    threads = [threading.Thread(target=exchange.answer, args=(post(headers=DELIVERY),)) for _ in range(3)]
    threads[0].start()
    first_runs.wait(10)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(runner.events) == 3


def test_a_request_that_finds_no_place_in_time_is_told_to_come_again():
    begun, go_on = threading.Event(), threading.Event()

    def work(event):
        begun.set()
        go_on.wait(10)
        return make_result()

    exchange = make_exchange(FakeRunner(work), concurrency=1, queue_seconds=0.05)
    first = threading.Thread(target=exchange.answer, args=(post(),))
    first.start()
    begun.wait(10)
    refused = exchange.answer(post())
    repeated = exchange.answer(post(headers={"ce-specversion": "1.0"}))
    go_on.set()
    first.join(10)
    assert (refused.status, document(refused)["type"]) == (503, "urn:intellyhub:problem:busy")
    assert dict(refused.headers)["Retry-After"] == "1"
    assert repeated.status == 400
    assert exchange.answer(post()).status == 200


def test_an_event_can_be_read_from_its_own_reply():
    events = emitting(Event(id="1 2", source="/f", type="t", data={"ü": 1}, extensions={"flow": "f2"}))
    response = answering(make_result(entries=events)).answer(post(headers=DELIVERY))
    again = read_event(post(response.body, dict(response.headers) | {"content-type": response.content_type}))
    assert (again.id, again.data, again.extensions) == ("1 2", {"ü": 1}, {"flow": "f2"})
