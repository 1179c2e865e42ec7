"""A run's result as the JSON object of `--json`: the same for run, resume, replay and fork."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.journal.records import Entry, Logged, StepFinished, StepStarted
from intellyhub_engine.machine.result import RunResult

__all__ = ["iso_time", "make_answer", "make_json", "make_log", "make_steps"]


def make_answer(result: RunResult) -> dict[str, Any]:
    """The object `--json` prints."""
    return {
        "run_id": result.run_id,
        "status": result.status.value,
        "end_state": result.end_state,
        "error": result.error,
        "steps": list(make_steps(result.entries)),
        "variables": dict(result.variables),
        "log": list(make_log(result.entries)),
    }


def make_steps(entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """One object per attempt, in order. An attempt that was begun and never finished is shown as running."""
    begun: StepStarted | None = None
    for entry in entries:
        if isinstance(entry, StepStarted):
            begun = entry
        elif isinstance(entry, StepFinished):
            begun = None
            yield finished_step(entry)
    if begun is not None:
        yield {
            "seq": begun.seq,
            "state": begun.state,
            "type": begun.type,
            "attempt": begun.attempt,
            "status": "running",
            "next": None,
            "started_at": iso_time(begun.started_ns),
            "duration_ms": None,
        }


def finished_step(entry: StepFinished) -> dict[str, Any]:
    """One completed attempt."""
    return {
        "seq": entry.seq,
        "state": entry.state,
        "type": entry.type,
        "attempt": entry.attempt,
        "status": entry.status.value,
        "next": entry.next,
        "started_at": iso_time(entry.started_ns),
        "duration_ms": round((entry.finished_ns - entry.started_ns) / 1e6, 3),
    }


def make_log(entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """The log lines, in order."""
    for entry in entries:
        if isinstance(entry, Logged):
            yield {"at": iso_time(entry.at_ns), "level": entry.level, "seq": entry.seq, "message": entry.message}


def iso_time(nanoseconds: int) -> str:
    """UTC in ISO 8601, to the microsecond."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def make_json(value: object, *, pretty: bool) -> str:
    """JSON text of anything a flow can hold; what JSON does not know becomes text."""
    from intellyhub_engine.serving.plain_json import to_json

    text = to_json(value).decode()
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False) if pretty else text
