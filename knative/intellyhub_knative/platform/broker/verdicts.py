"""What an attempt came to: the retry table of a Knative broker, and how long to wait. Pure.

The table is that of Knative Eventing 1.22 as observed; differences are wanted ones: `Retry-After` is honoured, and what
is the platform's own doing (a busy or restarting worker) does not count as an attempt for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from intellyhub_engine.events import Event
from intellyhub_engine.serving.access import without_signature
from intellyhub_engine.serving.cloudevents import is_event, read_event
from intellyhub_engine.serving.message import Request
from intellyhub_engine.serving.problems import RequestRefused
from intellyhub_knative.platform.attributes import HOPS, without_extensions
from intellyhub_knative.platform.deployments import Delivery
from intellyhub_knative.platform.flow_answer import Answer, is_passing, is_repeated, other_version, read_problem
from intellyhub_knative.platform.outbox import Due, Outcome, Settlement

__all__ = ["Elsewhere", "Failure", "Later", "Verdict", "judge", "retry_or_bury"]

MAX_HOPS = 20
"""Replies to replies; what goes round more often goes round for ever."""
NOT_AN_EVENT = 502
LONGEST_RETRY_AFTER_SECONDS = 3600.0
MAX_ERROR = 768
"""Characters of an answer that a dead letter keeps."""


class Failure(NamedTuple):
    """Why one attempt did not succeed, though another may."""

    error: str
    code: int | None = None
    retry_after_seconds: float = 0.0


class Later(NamedTuple):
    """The attempt does not count; try again after a while."""

    seconds: float
    failure: Failure


class Elsewhere(NamedTuple):
    """The run of this event belongs to another version of the flow."""

    digest: str
    failure: Failure


Verdict = Settlement | Later | Elsewhere


def judge(answer: Answer, due: Due, policy: Delivery, *, now_ns: int, chance: float) -> Verdict:
    """What an answer means. `chance`, from 0 to 1, spreads retries."""
    if 200 <= answer.status < 300:
        if not answer.body and "ce-specversion" not in answer.headers:
            return Settlement(due.delivery_id, Outcome.DELIVERED, code=answer.status)
        reply = read_reply(answer)
        if reply is not None:
            return deliver_with(reply, answer, due)
        failure = Failure("the flow answered with a body that is not an event", NOT_AN_EVENT)
        return retry_or_bury(failure, due, policy, now_ns=now_ns, chance=chance)
    failure = Failure(describe(answer), answer.status, retry_after(answer.headers, now_ns))
    digest = other_version(answer)
    if digest is not None:
        return Elsewhere(digest, failure)
    if is_passing(answer):
        return Later(failure.retry_after_seconds, failure)
    if is_repeated(answer.status):
        return retry_or_bury(failure, due, policy, now_ns=now_ns, chance=chance)
    return Settlement(due.delivery_id, Outcome.DEAD, code=answer.status, error=failure.error)


def deliver_with(reply: Event, answer: Answer, due: Due) -> Settlement:
    """Delivered; the reply goes back to the tenant's broker, unless it has gone round too often."""
    if due.hops >= MAX_HOPS:
        error = f"its reply {reply.id} of type {reply.type} was dropped: it would be the {due.hops + 1}th in a row"
        return Settlement(due.delivery_id, Outcome.DELIVERED, code=answer.status, error=error)
    return Settlement(due.delivery_id, Outcome.DELIVERED, code=answer.status, reply=reply)


def retry_or_bury(failure: Failure, due: Due, policy: Delivery, *, now_ns: int, chance: float) -> Settlement:
    """Another attempt, as long as the policy has one."""
    if due.attempt > policy.retry:
        return Settlement(due.delivery_id, Outcome.DEAD, code=failure.code, error=failure.error)
    seconds = max(backoff_seconds(policy, due.attempt) * (1 + chance / 10), failure.retry_after_seconds)
    again_ns = now_ns + int(seconds * 1e9)
    return Settlement(due.delivery_id, Outcome.RETRY, again_ns=again_ns, code=failure.code, error=failure.error)


def backoff_seconds(policy: Delivery, attempt: int) -> float:
    """The wait after this attempt, counted from 1. Linear begins with one delay, as documented; stock Knative's with
    none."""
    factor = attempt if policy.backoff_policy == "linear" else 2 ** min(attempt - 1, 60)
    return min(policy.backoff_delay_seconds * factor, policy.max_backoff_seconds)


def retry_after(headers: Mapping[str, str], now_ns: int) -> float:
    """Seconds that the flow asked to be left alone (RFC 9110, section 10.2.3), within an hour; 0 where it did not."""
    written = headers.get("retry-after", "").strip()
    if written.isascii() and written.isdigit():
        return min(float(written[:9]), LONGEST_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(written)
    except (TypeError, ValueError):
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = (moment - datetime.fromtimestamp(now_ns / 1e9, UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def read_reply(answer: Answer) -> Event | None:
    """The event that a flow answered with, or None where the answer is none."""
    request = Request("POST", "/", answer.headers, answer.body)
    if not is_event(request):
        return None
    try:
        return without_extensions(without_signature(read_event(request)), HOPS)
    except RequestRefused:
        return None


def describe(answer: Answer) -> str:
    """An answer for a person."""
    detail = read_problem(answer).get("detail")
    told = detail if isinstance(detail, str) else answer.body[:MAX_ERROR].decode("utf-8", "replace").strip()
    return f"the flow answered {answer.status}{': ' if told else ''}{told}"[:MAX_ERROR]
