"""The `a2a` state: sends a message to an agent, and waits for what it answers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepFailed, StepTimedOut
from intellyhub_engine.language.values.values import TextRecord, text_of, wrap
from intellyhub_engine.machine.step import Step
from intellyhub_functions.rpc.a2a_client import A2aClient, Answered, connect
from intellyhub_functions.rpc.a2a_protocol import Part
from intellyhub_functions.rpc.link import make_request

__all__ = ["perform"]

DEFAULT_WAIT_SECONDS = 300.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
MAX_FAILURES = 5
"""In a row, of asking after a task."""


def perform(parameters: Mapping[str, Any], step: Step) -> TextRecord:
    """The agent's answer. A task that failed or was rejected fails the state, unless `accept_errors`."""
    began = time.monotonic()
    ends = None if step.timeout_seconds is None else began + step.timeout_seconds
    client = open_client(parameters, step, ends)
    action = parameters.get("action") or "send"
    if action == "send":
        answered = send(client, parameters, step)
    elif action == "cancel":
        answered = client.cancel(needed(parameters, "task_id"))
    else:
        answered = client.get(needed(parameters, "task_id"))
    if action != "cancel" and parameters.get("wait", True):
        answered = wait(client, answered, parameters, step, ends)
    return judge(answered, parameters)


def open_client(parameters: Mapping[str, Any], step: Step, ends: float | None) -> A2aClient:
    """A client of the agent that the parameters name."""
    url = text_of(parameters.get("url") or step.scope.get("A2A_URL") or "").strip()
    if not url:
        raise PermanentError("an a2a state needs the `url` of an agent, or the variable A2A_URL")
    request = make_request(url, parameters, step)
    protocol = text_of(parameters.get("protocol") or "") or None
    return connect(request, ends=ends, protocol=protocol)


def send(client: A2aClient, parameters: Mapping[str, Any], step: Step) -> Answered:
    """Send the message. Its id is the same for every attempt, so that an agent that knows it does nothing twice."""
    parts = make_parts(parameters) or make_parts({"message": passed_on(step)})
    if not parts:
        raise PermanentError("an a2a state needs a `message` or `data` to send")
    metadata = dict(parameters.get("metadata") or {})
    if parameters.get("channel"):
        metadata["channel"] = text_of(parameters["channel"])
    return client.send(
        parts,
        message_id=step.idempotency_key,
        context_id=text_of(parameters["context_id"]) if parameters.get("context_id") else None,
        task_id=text_of(parameters["task_id"]) if parameters.get("task_id") else None,
        metadata=metadata,
    )


def passed_on(step: Step) -> Any:
    """What a flow that is an agent itself, or that any other event began, hands on where it says nothing of its own."""
    given = step.scope.get("a2a_message")
    return given or (step.event.data if step.event is not None else None)


def make_parts(parameters: Mapping[str, Any]) -> list[Part]:
    """What is said: words as text, objects and lists as data; a text that is a JSON object is data."""
    parts = []
    for given in (parameters.get("message"), parameters.get("data")):
        if given is None or given == "":
            continue
        if isinstance(given, dict | list) and not isinstance(given, TextRecord):
            parts.append(Part(data=json.loads(json.dumps(given, default=text_of))))
            continue
        text = text_of(given)
        said = read_object(text)
        parts.append(Part(text=text) if said is None else Part(data=said))
    return parts


def wait(
    client: A2aClient, answered: Answered, parameters: Mapping[str, Any], step: Step, ends: float | None
) -> Answered:
    """The task once it has ended, or wants something. A cancelled run cancels the task."""
    try:
        return wait_patiently(client, answered, parameters, step, ends)
    except StepCancelled:
        if answered.task_id is not None:
            try_to_cancel(client, answered.task_id, step)
        raise


def wait_patiently(
    client: A2aClient, answered: Answered, parameters: Mapping[str, Any], step: Step, ends: float | None
) -> Answered:
    """The same, for a run that goes on."""
    until = time.monotonic() + float(parameters.get("wait_seconds", DEFAULT_WAIT_SECONDS))
    pause, failures = FIRST_PAUSE_SECONDS, 0
    while not answered.is_settled and answered.task_id is not None:
        if step.cancelled.wait(pause):
            raise StepCancelled("the run was cancelled")
        now = time.monotonic()
        if ends is not None and now >= ends:
            raise StepTimedOut(f"the agent's task {answered.task_id} did not end in time")
        if now >= until:
            raise PermanentError(f"the agent's task {answered.task_id} did not end in time: it is {answered.state}")
        pause = min(pause * 1.6, LONGEST_PAUSE_SECONDS)
        try:
            answered, failures = client.get(answered.task_id), 0
        except RetryableError as fault:  # the task goes on meanwhile
            failures += 1
            if failures > MAX_FAILURES:
                raise
            step.log("warning", f"the agent's task cannot be asked for: {fault}")
    return answered


def try_to_cancel(client: A2aClient, task_id: str, step: Step) -> None:
    """Ask the agent to stop; it may not be there any more."""
    try:
        client.abandon(task_id)
    except StepFailed as fault:
        step.log("warning", f"the agent's task {task_id} could not be cancelled: {fault}")


def judge(answered: Answered, parameters: Mapping[str, Any]) -> TextRecord:
    """The result: `text`, `data`, `state`, `task_id`, `context_id`, `parts`, `task`."""
    text = "\n".join(part.text for part in answered.parts if part.text is not None)
    data = next((part.data for part in answered.parts if part.data is not None), None)
    entries = {
        "text": text or (json.dumps(data, ensure_ascii=False) if data is not None else answered.words),
        "data": data,
        "state": answered.state,
        "task_id": answered.task_id,
        "context_id": answered.context_id,
        "parts": [
            {name: value for name, value in part._asdict().items() if value is not None} for part in answered.parts
        ],
        "task": dict(answered.whole),
    }
    result = TextRecord(entries, "text")
    if answered.state in ("failed", "rejected", "canceled", "auth-required") and not parameters.get("accept_errors"):
        words = f": {answered.words[:1000]}" if answered.words else ""
        raise PermanentError(f"the agent's task is {answered.state}{words}", result=wrap(result))
    return result


def needed(parameters: Mapping[str, Any], name: str) -> str:
    """A parameter that the action cannot do without."""
    value = text_of(parameters.get(name) or "").strip()
    if not value:
        raise PermanentError(f"an a2a state that asks after a task needs its `{name}`")
    return value


def read_object(text: str) -> dict[str, Any] | None:
    """A text that is a JSON object; None for any other."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
