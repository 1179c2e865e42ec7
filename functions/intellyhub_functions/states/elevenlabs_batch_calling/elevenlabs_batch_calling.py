"""The `elevenlabs_batch_calling` state: has an agent call many people, and asks how the calls go.

https://elevenlabs.io/docs/api-reference/batch-calling.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from intellyhub_engine.errors import PermanentError, RetryableError, StepFailed
from intellyhub_engine.language.values.values import Record, text_of, wrap
from intellyhub_engine.machine.step import Step
from intellyhub_functions.speech.elevenlabs import make_service
from intellyhub_functions.speech.service import Service, status_of
from intellyhub_functions.states.elevenlabs_batch_calling.recipients import make_recipients

__all__ = ["perform"]

PATH = "/v1/convai/batch-calling"
TOO_MANY = 429
CLOCK_SECONDS = 60
"""How far the service's clock may be from ours."""


def perform(parameters: Mapping[str, Any], step: Step) -> Record:
    """Do the operation; gives `{success, operation, timestamp, data, …}`. A failure's result is `{success, operation,
    error, status_code, timestamp}`."""
    operation = parameters.get("operation", "submit")
    try:
        entries = OPERATIONS[operation](parameters, make_service(parameters, step))
    except StepFailed as failure:
        failure.result = Record(
            success=False, operation=operation, error=str(failure), status_code=status_of(failure), timestamp=now()
        )
        raise
    return wrap({"success": True, "operation": operation, "timestamp": now(), **entries})  # type: ignore[no-any-return]


def submit(parameters: Mapping[str, Any], service: Service) -> dict[str, Any]:
    """Order the calls. Where it stays open whether that succeeded, the service is asked, because nobody wants to be
    called twice."""
    body = {
        "call_name": text_of(required(parameters, "call_name")),
        "agent_id": text_of(required(parameters, "agent_id")),
        "agent_phone_number_id": text_of(required(parameters, "agent_phone_number_id")),
        "recipients": make_recipients(required(parameters, "recipients")),
    }
    scheduled = parameters.get("scheduled_time_unix")
    if scheduled is not None:
        body["scheduled_time_unix"] = scheduled
    if parameters.get("timezone"):
        body["timezone"] = parameters["timezone"]
    begun = time.time()
    try:
        found = service.read_json(service.ask("POST", f"{PATH}/submit", body=body))
    except RetryableError as failure:
        if status_of(failure) == TOO_MANY:
            raise
        found = look_for(body, begun, service, failure)
    return {
        "data": found,
        "batch_id": found.get("id"),
        "status": found.get("status"),
        "total_calls_scheduled": found.get("total_calls_scheduled"),
        "total_calls_dispatched": found.get("total_calls_dispatched"),
        "message": f"The calls of {body['call_name']!r} are ordered",
    }


def look_for(body: Mapping[str, Any], begun: float, service: Service, failure: RetryableError) -> dict[str, Any]:
    """The batch that an order without an answer made. Raises the failure where there is none, so that it may be ordered
    again, and PermanentError where that cannot be found out."""
    try:
        answer = service.read_json(service.ask("GET", f"{PATH}/workspace", query={"limit": 100}))
    except StepFailed as fault:
        message = f"{failure}; whether the calls were ordered cannot be found out, so they are not ordered again"
        raise PermanentError(message) from fault
    for batch in batches_of(answer):
        same = batch.get("name") == body["call_name"] and batch.get("agent_id") == body["agent_id"]
        if same and batch.get("created_at_unix", 0) >= begun - CLOCK_SECONDS:
            return batch
    raise failure


def get(parameters: Mapping[str, Any], service: Service) -> dict[str, Any]:
    """How the calls of one batch go."""
    batch_id = quote(text_of(required(parameters, "batch_id")), safe="")
    found = service.read_json(service.ask("GET", f"{PATH}/{batch_id}"))
    return {
        "data": found,
        "batch_id": found.get("id"),
        "status": found.get("status"),
        "total_calls_dispatched": found.get("total_calls_dispatched"),
        "total_calls_scheduled": found.get("total_calls_scheduled"),
        "message": "The batch is told of",
    }


def list_batches(parameters: Mapping[str, Any], service: Service) -> dict[str, Any]:
    """The batches of the account, one page."""
    query = {"limit": parameters.get("limit", 100), "last_doc": parameters.get("last_doc") or None}
    found = service.read_json(service.ask("GET", f"{PATH}/workspace", query=query))
    batches = batches_of(found)
    return {
        "data": found | {"batch_calls": batches},
        "batch_count": len(batches),
        "has_more": bool(found.get("has_more")),
        "next_doc": found.get("next_doc"),
        "message": f"{len(batches)} batches",
    }


def cancel(parameters: Mapping[str, Any], service: Service) -> dict[str, Any]:
    """Call nobody else of this batch."""
    batch_id = quote(text_of(required(parameters, "batch_id")), safe="")
    found = service.read_json(service.ask("POST", f"{PATH}/{batch_id}/cancel", body={}))
    status = found.get("status")
    return {"data": found, "batch_id": found.get("id"), "status": status, "message": "The batch is cancelled"}


OPERATIONS: Mapping[str, Callable[[Mapping[str, Any], Service], dict[str, Any]]] = {
    "submit": submit,
    "get": get,
    "list": list_batches,
    "cancel": cancel,
}


def batches_of(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The batches that a list holds."""
    found = answer.get("batch_calls")
    return [batch for batch in found if isinstance(batch, dict)] if isinstance(found, list) else []


def required(parameters: Mapping[str, Any], name: str) -> Any:
    """A parameter that the operation cannot do without."""
    found = parameters.get(name)
    if found in (None, "", []):
        raise PermanentError(f"{name} is missing; {parameters.get('operation', 'submit')} needs it")
    return found


def now() -> str:
    return datetime.now(UTC).isoformat()
