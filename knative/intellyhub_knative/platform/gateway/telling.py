"""What watchers of a run are told of each entry, as server-sent events
(https://html.spec.whatwg.org/multipage/server-sent-events.html). Steps have the shape they have in the API."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from intellyhub_engine.journal.records import (
    Logged,
    RunFinished,
    RunStatus,
    RunSuspended,
    RunWoken,
    StepFinished,
    StepStarted,
    StepStatus,
    Used,
)
from intellyhub_engine.machine.masking import mask_entry
from intellyhub_engine.serving.plain_json import to_json
from intellyhub_knative.platform.journal.frames import Frame
from intellyhub_knative.platform.moments import moment, moment_or_none

__all__ = ["is_last", "make_messages", "tell"]

NS_PER_MS = 1_000_000
Message = tuple[str, dict[str, Any]]


def tell(frame: Frame, secrets: Collection[str]) -> bytes:
    """The messages of one entry, ready to be sent."""
    return b"".join(
        b"id: %d\nevent: %s\ndata: %s\n\n" % (frame.index, kind.encode(), to_json({"run_id": frame.run_id, **content}))
        for kind, content in make_messages(frame, secrets)
    )


def is_last(frame: Frame) -> bool:
    """Whether the run has ended with this entry."""
    return isinstance(frame.entry, RunFinished)


def make_messages(frame: Frame, secrets: Collection[str]) -> list[Message]:
    """What kind of message it is, and what it says; secrets are masked."""
    if frame.entry is None:
        return [("status", {"status": frame.status})]
    entry = mask_entry(frame.entry, secrets)
    if isinstance(entry, StepStarted):
        return [("step", make_started(entry))]
    if isinstance(entry, StepFinished):
        return [("step", make_finished(entry))]
    if isinstance(entry, Logged):
        line = {"seq": entry.seq, "level": entry.level, "message": entry.message, "at": moment(entry.at_ns)}
        return [("log", line)]
    if isinstance(entry, Used):
        return [("usage", {"seq": entry.seq, "attempt": entry.attempt, "usage": dict(entry.amounts)})]
    if isinstance(entry, RunSuspended):
        return [("status", make_suspended(entry))]
    if isinstance(entry, RunWoken):
        return [("status", {"status": frame.status})]
    return [("end", make_end(entry))]


def make_started(step: StepStarted) -> dict[str, Any]:
    return {
        "seq": step.seq,
        "state": step.state,
        "type": step.type,
        "attempt": step.attempt,
        "status": StepStatus.RUNNING,
        "next": None,
        "started_at": moment(step.started_ns),
        "finished_at": None,
        "duration_ms": None,
        "changes": {},
        "removed": [],
        "error": None,
        "emitted": [],
        "usage": {},
        "logs": [],
    }


def make_finished(step: StepFinished) -> dict[str, Any]:
    return {
        "seq": step.seq,
        "state": step.state,
        "type": step.type,
        "attempt": step.attempt,
        "status": step.status,
        "next": step.next,
        "started_at": moment(step.started_ns),
        "finished_at": moment(step.finished_ns),
        "duration_ms": max(0, step.finished_ns - step.started_ns) / NS_PER_MS,
        "changes": dict(step.changes),
        "removed": list(step.removed),
        "error": step.error,
        "emitted": [{"id": event.id, "source": event.source, "type": event.type} for event in step.emitted],
        "usage": {},
        "logs": [],
    }


def make_suspended(entry: RunSuspended) -> dict[str, Any]:
    """The run waits; for what."""
    if entry.approval is not None:
        kind = "approval"
    elif entry.event_filter is not None:
        kind = "event"
    else:
        kind = "time" if entry.until_ns is not None else "children"
    event = None if entry.event_filter is None else dict(entry.event_filter)
    waiting = {"kind": kind, "state": entry.state, "event": event, "question": entry.approval}
    return {"status": RunStatus.WAITING, "waiting_for": waiting, "wake_at": moment_or_none(entry.until_ns)}


def make_end(entry: RunFinished) -> dict[str, Any]:
    return {
        "status": entry.status,
        "end_state": entry.end_state,
        "error": entry.error,
        "output": entry.output,
        "finished_at": moment(entry.finished_ns),
    }
