"""What a flow's own workers are asked to do, over the flow's socket, whether one is awake or not."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from intellyhub_control_plane.doors import DoorAnswer, ask
from intellyhub_control_plane.errors import FlowUnwilling, NotFound, NotNow, Unreachable
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.web.caller import Caller
from intellyhub_knative.platform.keys import Purpose

__all__ = ["begin_run", "decide_run", "repeat_run", "resume_run"]

PATIENCE_SECONDS = 5.0
"""For a socket to be opened: the activator may be starting again."""
ANSWER_SECONDS = 60.0
ACCEPTED = frozenset((200, 202))


def begin_run(caller: Caller, flow: Flow, event: Any, variables: dict[str, Any], key: str | None) -> str:
    """Start a run of the current version; its id, once it is durable. The same `key` finds the same run."""
    document = {"variables": variables} if event is None else {"event": event, "variables": variables}
    return call(caller, flow, flow.current_version, "POST", "/runs", document, key=key)


def decide_run(caller: Caller, flow: Flow, number: int, run_id: str, decision: Any) -> str:
    """Answer what a run asks a person."""
    return call(caller, flow, number, "PUT", f"/runs/{quote(run_id, safe='')}/decision", {"decision": decision})


def resume_run(caller: Caller, flow: Flow, number: int, run_id: str) -> str:
    """Wake a waiting run."""
    return call(caller, flow, number, "PUT", f"/runs/{quote(run_id, safe='')}/resumption", None)


def repeat_run(caller: Caller, flow: Flow, number: int, run_id: str, how: str, document: dict[str, Any]) -> str:
    """Copy a run (`replays` or `forks`) to a version; the new run's id."""
    return call(caller, flow, number, "POST", f"/runs/{quote(run_id, safe='')}/{how}", document)


def call(
    caller: Caller, flow: Flow, number: int, method: str, target: str, document: Any, *, key: str | None = None
) -> str:
    """Ask a version of a flow, and give the id of the run that it speaks of."""
    if not flow.active:
        raise NotNow("the flow is switched off: set `active` first")
    if caller.tenant.suspended:
        raise NotNow("the organisation is suspended")
    if number != flow.current_version:
        open_socket(caller, flow, number)
    token = caller.platform.keys.token(Purpose.CALLER, flow.journal_name)
    headers = {"Authorization": f"Bearer {token}", "Prefer": "respond-async"}
    answer = ask(
        "flow",
        caller.platform.layout.flow_socket(flow.id, number),
        method,
        target,
        document=document,
        headers=headers | ({"Idempotency-Key": key} if key else {}),
        timeout_seconds=ANSWER_SECONDS,
        patience_seconds=PATIENCE_SECONDS,
    )
    return read_answer(answer)


def open_socket(caller: Caller, flow: Flow, number: int) -> None:
    """Have the socket of an older version opened: deployed beside the current one, then asked for."""
    platform = caller.platform
    platform.publisher.publish_flow(flow.tenant_id, flow.id, keep=(number,))
    activator = platform.layout.socket("activator")
    ask("activator", activator, "PUT", f"/sockets/{flow.id}/{number}", patience_seconds=PATIENCE_SECONDS)


def read_answer(answer: DoorAnswer) -> str:
    """The run's id, or what went wrong in our own words."""
    document = answer.document if isinstance(answer.document, dict) else {}
    if "run_id" in document and (answer.status in ACCEPTED or is_run_outcome(document)):
        return str(document["run_id"])
    detail = str(document.get("detail") or f"it answered {answer.status}")
    if answer.status == 404:
        raise NotFound("run", detail)
    if answer.status == 409:
        raise NotNow(detail)
    if answer.status in (400, 413, 415, 422):
        raise FlowUnwilling(detail)
    raise Unreachable("flow", detail)


def is_run_outcome(document: dict[str, Any]) -> bool:
    """A run that was begun and has already failed is a run all the same."""
    endings = ("run-failed", "run-retryable", "run-cancelled")
    return str(document.get("type", "")).rpartition(":")[2] in endings
