"""The retry table of a Knative broker (KNATIVE_FACTS, section 4), row by row, without what is wrong with it."""

import orjson
import pytest

from intellyhub_engine.events import Event
from intellyhub_knative.platform.broker.verdicts import (
    MAX_HOPS,
    Elsewhere,
    Failure,
    Later,
    backoff_seconds,
    judge,
    retry_or_bury,
)
from intellyhub_knative.platform.deployments import Delivery
from intellyhub_knative.platform.flow_answer import Answer
from intellyhub_knative.platform.outbox import Due, Outcome

NOW_NS = 1_800_000_000_000_000_000
POLICY = Delivery(retry=3)
REPLY = {"ce-specversion": "1.0", "ce-id": "r", "ce-source": "/f", "ce-type": "t", "content-type": "application/json"}


def due(attempt=1, hops=0):
    return Due(7, "t" * 32, "f" * 32, Event(id="1", source="/s", type="t"), attempt, NOW_NS, hops)


def verdict(status, headers=None, body=b"", **more):
    return judge(Answer(status, headers or {}, body), due(**more), POLICY, now_ns=NOW_NS, chance=0.0)


def seconds_of(found):
    return (found.again_ns - NOW_NS) / 1e9


def problem(code, detail="words"):
    body = orjson.dumps({"type": f"urn:intellyhub:problem:{code}", "detail": detail})
    return {"content-type": "application/problem+json"}, body


@pytest.mark.parametrize("status", [200, 202, 204])
def test_an_empty_answer_settles(status):
    assert verdict(status).outcome is Outcome.DELIVERED


def test_an_event_in_the_answer_is_the_reply():
    found = verdict(200, {**REPLY, "ce-intellyhubsig": "1.00", "ce-intellyhubhops": "3", "ce-flow": "next"}, b'{"n":1}')
    assert found.outcome is Outcome.DELIVERED
    assert (found.reply.id, found.reply.data, dict(found.reply.extensions)) == ("r", {"n": 1}, {"flow": "next"})


def test_a_structured_reply_is_one_too():
    body = orjson.dumps({"specversion": "1.0", "id": "r", "source": "/f", "type": "t", "data": [1]})
    assert verdict(200, {"content-type": "application/cloudevents+json"}, body).reply.data == [1]


@pytest.mark.parametrize("body", [b"text", b'{"ok":true}'])
def test_any_other_body_is_a_failure_that_is_tried_again_and_says_why(body):
    found = verdict(200, {"content-type": "application/json"}, body)
    assert (found.outcome, found.code) == (Outcome.RETRY, 502)
    assert "not an event" in verdict(200, {}, body, attempt=4).error


def test_a_broken_reply_is_a_failure_too():
    assert verdict(200, {"ce-specversion": "1.0", "ce-id": "r"}, b"").outcome is Outcome.RETRY


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 405, 410, 413, 415, 422, 425])
def test_these_are_dead_letters_at_once(status):
    found = verdict(status, {}, b"the reason")
    assert (found.outcome, found.code) == (Outcome.DEAD, status)
    assert found.error == f"the flow answered {status}: the reason"


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 501, 502, 503, 504, 507])
def test_these_are_tried_again_at_growing_distances_and_then_given_up(status):
    found = [verdict(status, attempt=attempt) for attempt in (1, 2, 3)]
    assert {one.outcome for one in found} == {Outcome.RETRY}
    assert [seconds_of(one) for one in found] == [0.5, 1.0, 2.0]
    last = verdict(status, attempt=4)
    assert (last.outcome, last.code) == (Outcome.DEAD, status)


def test_no_answer_is_tried_again_and_then_given_up_with_its_error():
    failure = Failure("the connection failed: refused")
    again = retry_or_bury(failure, due(), POLICY, now_ns=NOW_NS, chance=0.0)
    last = retry_or_bury(failure, due(attempt=4), POLICY, now_ns=NOW_NS, chance=0.0)
    assert (again.outcome, last.outcome, last.code, last.error) == (
        Outcome.RETRY,
        Outcome.DEAD,
        None,
        "the connection failed: refused",
    )


def test_a_500_that_carries_an_event_is_a_failure_like_any():
    assert verdict(500, REPLY).outcome is Outcome.RETRY


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(status):
    assert seconds_of(verdict(status, {"retry-after": "5"})) == 5.0
    assert seconds_of(verdict(status, {"retry-after": "0"})) == 0.5
    assert seconds_of(verdict(status, {"retry-after": "999999999999"})) == 3600.0


def test_retry_after_may_be_a_date():
    assert seconds_of(verdict(503, {"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"})) == 60.0
    assert seconds_of(verdict(503, {"retry-after": "Fri, 15 Jan 2021 08:01:00 GMT"})) == 0.5
    assert seconds_of(verdict(503, {"retry-after": "soon"})) == 0.5


def test_the_backoff_is_exponential_or_linear_and_has_an_end():
    linear = Delivery(backoff_policy="linear", backoff_delay_seconds=0.5, max_backoff_seconds=1.2)
    assert [backoff_seconds(linear, attempt) for attempt in (1, 2, 3)] == [0.5, 1.0, 1.2]
    assert backoff_seconds(Delivery(), 10_000) == 300.0


def test_retries_are_spread_a_little():
    answer = Answer(503, {}, b"")
    late = judge(answer, due(), POLICY, now_ns=NOW_NS, chance=1.0)
    assert seconds_of(late) == pytest.approx(0.55)


@pytest.mark.parametrize("code", ["busy", "in-flight", "stopping", "not-ready", "journal-unavailable"])
def test_what_is_the_platforms_doing_costs_no_attempt(code):
    headers, body = problem(code)
    found = verdict(503, {**headers, "retry-after": "2"}, body)
    assert isinstance(found, Later)
    assert found.seconds == 2.0


def test_a_flow_that_failed_for_now_costs_one():
    assert verdict(503, *problem("run-retryable")).outcome is Outcome.RETRY


def test_a_run_of_another_version_is_asked_for_there():
    headers, body = problem("other-version")
    found = verdict(409, {**headers, "x-intellyhub-version": "abc"}, body)
    assert isinstance(found, Elsewhere)
    assert found.digest == "abc"


def test_a_problem_is_told_in_its_own_words_and_not_too_many():
    assert verdict(400, *problem("bad-event", "no id")).error == "the flow answered 400: no id"
    assert len(verdict(400, {}, b"x" * 100_000).error) == 768
    assert verdict(400, {"content-type": "application/problem+json"}, b"{").error.endswith("400: {")


def test_a_reply_that_goes_round_too_often_is_dropped():
    assert verdict(200, REPLY, hops=MAX_HOPS - 1).reply is not None
    found = verdict(200, REPLY, hops=MAX_HOPS)
    assert (found.outcome, found.reply) == (Outcome.DELIVERED, None)
    assert "was dropped" in found.error
