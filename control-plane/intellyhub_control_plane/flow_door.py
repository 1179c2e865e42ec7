"""What a flow's own workers are asked to do, whether one is awake or not: over the flow's socket on one machine, by its
name on a cluster."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from intellyhub_control_plane.doors import DoorAnswer, ask
from intellyhub_control_plane.errors import FlowUnwilling, NotFound, NotNow, Unreachable
from intellyhub_control_plane.held_requests import NoPlace
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.record import make_id
from intellyhub_control_plane.web.caller import Caller
from intellyhub_engine.errors import RunNotFound
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.machine.identity import make_run_id
from intellyhub_engine.serving.decision import HTTP_SOURCE
from intellyhub_knative.platform.flow_answer import Answer, is_of_a_worker
from intellyhub_knative.platform.keys import Purpose

__all__ = ["begin_run", "decide_run", "repeat_run", "resume_run"]

PATIENCE_SECONDS = 5.0
"""For a socket to be opened: the activator may be starting again."""
ANSWER_SECONDS = 60.0
WAKE_SECONDS = 60.0
"""Beyond the time that a flow has for a request: for its worker to be woken."""
REFUSAL_SECONDS = 5.0
"""For a worker to refuse a resumption: what is due goes on anyway, as the forwarder sees to it too."""
ACCEPTED = frozenset((200, 202))
LOG = logging.getLogger(__name__)
ASYNC = {"Prefer": "respond-async"}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a worker is asked."""

    method: str
    target: str
    document: Any
    key: str | None = None
    """Its `Idempotency-Key`."""


def begin_run(caller: Caller, flow: Flow, event: Any, variables: dict[str, Any], key: str | None) -> str:
    """Start a run of the current version; its id, once it is durable. The same `key` finds the same run."""
    document = {"variables": variables} if event is None else {"event": event, "variables": variables}
    key = key or make_id()
    source, event_id = (event["source"], event["id"]) if is_event(event) else (HTTP_SOURCE, key)

    def begun() -> str | None:
        found = caller.platform.journal.find_run(flow.journal_name, source, event_id)
        return found.run_id if found is not None else None

    wish = Wish(method="POST", target="/runs", document=document, key=key)
    return call(caller, flow, flow.current_version, wish, begun)


def decide_run(caller: Caller, flow: Flow, number: int, run_id: str, decision: Any) -> str:
    """Answer what a run asks a person."""
    journal = caller.platform.journal
    known = max((frame.index for frame in journal.entries(run_id)), default=0)

    def begun() -> str | None:
        return run_id if journal.entries(run_id, after=known) else None

    target = f"/runs/{quote(run_id, safe='')}/decision"
    return call(caller, flow, number, Wish(method="PUT", target=target, document={"decision": decision}), begun)


def resume_run(caller: Caller, flow: Flow, number: int, run_id: str) -> str:
    """Wake a waiting run."""
    patient_until = time.monotonic() + REFUSAL_SECONDS

    def begun() -> str | None:
        return run_id if time.monotonic() > patient_until else None

    target = f"/runs/{quote(run_id, safe='')}/resumption"
    return call(caller, flow, number, Wish(method="PUT", target=target, document=None), begun)


def repeat_run(caller: Caller, flow: Flow, number: int, run_id: str, how: str, document: dict[str, Any]) -> str:
    """Copy a run (`replays` or `forks`) to a version; the new run's id."""
    copy_id = make_run_id(time.time_ns(), os.urandom(10))

    def begun() -> str | None:
        try:
            return caller.platform.journal.history(copy_id).start.run_id
        except RunNotFound:
            return None

    target = f"/runs/{quote(run_id, safe='')}/{how}"
    return call(caller, flow, number, Wish(method="POST", target=target, document=document, key=copy_id), begun)


def call(caller: Caller, flow: Flow, number: int, wish: Wish, begun: Callable[[], str | None]) -> str:
    """Ask a version of a flow, and give the id of the run that it speaks of. On a cluster the request is held until the
    run ends, or by nobody where there are too many; `begun` looks meanwhile whether the run is there."""
    if not flow.active:
        raise NotNow("the flow is switched off: set `active` first")
    if caller.tenant.suspended:
        raise NotNow("the organisation is suspended")
    platform = caller.platform
    place = platform.flows.place_of(flow, number)
    token = platform.keys.token(Purpose.CALLER, flow.journal_name)
    headers = {"Authorization": f"Bearer {token}", **({"Idempotency-Key": wish.key} if wish.key else {})}

    def send(seconds: float, **more: str) -> DoorAnswer:
        return ask(
            "flow",
            place,
            wish.method,
            wish.target,
            document=wish.document,
            headers=headers | more,
            timeout_seconds=seconds,
            patience_seconds=PATIENCE_SECONDS,
        )

    if isinstance(place, Path):
        return read_answer(send(ANSWER_SECONDS, **ASYNC))
    seen: list[str] = []

    def has_begun() -> bool:
        seen.extend(filter(None, [begun()]))
        return bool(seen)

    held_seconds = platform.settings.timeout_seconds + WAKE_SECONDS
    try:
        answer = platform.held.ask(caller.tenant.id, lambda: send(held_seconds), has_begun, ANSWER_SECONDS)
    except NoPlace:
        LOG.warning("no request is held for a run of %s: too many are", flow.journal_name)
        answer = send(ANSWER_SECONDS, **ASYNC)
    if answer is None:
        return seen[0]
    if answer.status >= 400 and not is_of_a_worker(Answer(*answer)):
        raise Unreachable("flow", f"the cluster answered {answer.status} for it: it is not ready yet")
    return read_answer(answer)


def is_event(event: Any) -> bool:
    """Whether what is given is a CloudEvent, whose own id and source its run is found by."""
    return isinstance(event, dict) and all(isinstance(event.get(name), str) for name in ("specversion", "id", "source"))


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
