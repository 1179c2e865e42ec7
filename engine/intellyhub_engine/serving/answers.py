"""What a run's result becomes as an answer: for a caller a document, for a delivery an empty answer or an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.serving.cloudevents import encode_data, make_headers
from intellyhub_engine.serving.message import Response
from intellyhub_engine.serving.plain_json import to_json
from intellyhub_engine.serving.problems import Fault, make_problem

__all__ = ["TRACE", "answer_caller", "answer_delivery", "make_accepted", "make_document", "with_trace"]

JSON = "application/json"
ACCEPTED = Response(202)
DONE = Response(204)
TRACE = ("traceparent", "tracestate")
"""The distributed tracing extension: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/distributed-tracing.md"""

Sign = Callable[[Event, bytes], Event]


def answer_caller(result: RunResult) -> Response:
    """200 with the result, 202 while the run waits, a problem where it failed."""
    if result.status is RunStatus.SUCCEEDED:
        return Response(200, to_json(make_document(result)), JSON, (("Intellyhub-Run", result.run_id),))
    if result.status in (RunStatus.WAITING, RunStatus.RUNNING):
        return make_accepted(result.run_id, result.status.value)
    return explain(result)


def answer_delivery(result: RunResult, reply: Event | None, sign: Sign) -> Response:
    """Empty, or one event. What will never succeed is on record and acknowledged; what may, is not."""
    if result.retry_after_seconds is not None and result.status is RunStatus.FAILED:
        return explain(result)
    if result.status in (RunStatus.WAITING, RunStatus.RUNNING):
        return ACCEPTED
    return DONE if reply is None else make_reply(reply, sign)


def make_document(result: RunResult) -> dict[str, Any]:
    """A result for a caller: the flow's own answer where it gave one, else the run's variables."""
    document: dict[str, Any] = {"run_id": result.run_id, "status": result.status.value, "end_state": result.end_state}
    if result.error is not None:
        document["error"] = result.error
    if result.output is None:
        document["variables"] = dict(result.variables)
    else:
        document["output"] = result.output
    return document


def make_accepted(run_id: str, status: str) -> Response:
    """202: the run goes on; where to look."""
    place = f"/runs/{run_id}"
    return Response(
        202, to_json({"run_id": run_id, "status": status}), JSON, (("Location", place), ("Intellyhub-Run", run_id))
    )


def explain(result: RunResult) -> Response:
    """A problem for a run that did not succeed."""
    fault, retry = Fault.RUN_FAILED, result.retry_after_seconds
    if result.status is RunStatus.CANCELLED:
        fault, retry = Fault.RUN_CANCELLED, None
    elif retry is not None:
        fault = Fault.RUN_RETRYABLE
    detail = result.error or "the flow ended as failed"
    headers = (("Intellyhub-Run", result.run_id),)
    return make_problem(
        fault, detail, run_id=result.run_id, state=result.end_state, retry_after_seconds=retry, headers=headers
    )


def make_reply(event: Event, sign: Sign) -> Response:
    """One event in binary mode."""
    body, content_type = encode_data(event)
    return Response(200, body, content_type, make_headers(sign(event, body)))


def with_trace(event: Event, cause: Mapping[str, str]) -> Event:
    """An emitted event belongs to the trace of the event that caused it, unless it says otherwise."""
    trace = {name: cause[name] for name in TRACE if name in cause}
    if not trace or "traceparent" in event.extensions:
        return event
    return replace(event, extensions={**event.extensions, **trace})
