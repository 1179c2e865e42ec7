"""Runs and steps as the API shows them, from the journal's records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from intellyhub_control_plane.present.moments import moment_of, moment_or_none
from intellyhub_control_plane.shapes.runs import (
    CopiedFrom,
    Run,
    RunDetail,
    RunFlow,
    RunStatus,
    Step,
    StepLog,
    WaitingFor,
    WaitingKind,
)
from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.records import (
    Entry,
    Logged,
    RunFinished,
    RunHistory,
    RunSummary,
    RunSuspended,
    StepFinished,
    StepStarted,
    StepStatus,
    Used,
    total_of,
)
from intellyhub_engine.machine.masking import mask, mask_entry
from intellyhub_engine.serving.plain_json import to_json

__all__ = ["Names", "last_suspension", "make_run", "make_run_detail", "make_steps", "run_logs", "show_event"]

NS_PER_MS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Names:
    """What a run is called: its flow, and the number of its version."""

    flow: RunFlow
    version: int | None


def make_run(summary: RunSummary, names: Names, waits: RunSuspended | None, secrets: Collection[str]) -> Run:
    """A row of a list. `waits`: what it waits for."""
    suspended = last_suspension([mask_entry(waits, secrets)]) if waits else None
    return Run(
        id=summary.run_id,
        flow=names.flow,
        version=names.version,
        status=summary.status,
        started_at=moment_of(summary.started_ns),
        finished_at=moment_or_none(summary.finished_ns),
        duration_ms=duration_ms(summary.started_ns, summary.finished_ns),
        end_state=summary.end_state,
        error=mask(summary.error, secrets),
        steps=summary.steps,
        wake_at=moment_or_none(summary.wake_ns),
        waiting_for=waiting_of(suspended) if suspended else None,
        parent_id=summary.parent_id,
        copied_from=copied(summary.copied_from),
    )


def make_run_detail(history: RunHistory, names: Names, secrets: Collection[str]) -> RunDetail:
    """A run with its values, masked."""
    start, entries = history.start, [mask_entry(entry, secrets) for entry in history.entries]
    finished = next((entry for entry in reversed(entries) if isinstance(entry, RunFinished)), None)
    suspended = last_suspension(entries) if history.status is RunStatus.WAITING else None
    finished_ns = finished.finished_ns if finished else None
    return RunDetail(
        id=start.run_id,
        flow=names.flow,
        version=names.version,
        status=history.status,
        started_at=moment_of(start.started_ns),
        finished_at=moment_or_none(finished_ns),
        duration_ms=duration_ms(start.started_ns, finished_ns),
        end_state=finished.end_state if finished else None,
        error=finished.error if finished else None,
        steps=max((entry.seq for entry in entries if isinstance(entry, StepStarted | StepFinished)), default=0),
        wake_at=moment_or_none(suspended.until_ns if suspended else None),
        waiting_for=waiting_of(suspended) if suspended else None,
        parent_id=start.parent_id,
        copied_from=copied(start.copied_from),
        event=mask(show_event(start.event), secrets) if start.event else None,
        variables=plain(mask(fold_variables(start.variables, entries), secrets)),
        output=plain(finished.output) if finished else None,
        usage=total_of(entry.amounts for entry in entries if isinstance(entry, Used)),
    )


def masked(entry: Entry, secrets: Collection[str]) -> Entry:
    """An entry as it may be shown, its error too: the secret may be newer than the run."""
    shown = mask_entry(entry, secrets)
    return shown._replace(error=mask(shown.error, secrets)) if isinstance(shown, StepFinished) else shown


def last_suspension(entries: Sequence[Entry]) -> RunSuspended | None:
    """What a waiting run waits for."""
    return next((entry for entry in reversed(entries) if isinstance(entry, RunSuspended)), None)


def waiting_of(suspended: RunSuspended) -> WaitingFor:
    """What would wake the run."""
    if suspended.approval is not None:
        kind = WaitingKind.APPROVAL
    elif suspended.event_filter is not None:
        kind = WaitingKind.EVENT
    else:
        kind = WaitingKind.TIME if suspended.until_ns is not None else WaitingKind.CHILDREN
    event = dict(suspended.event_filter) if suspended.event_filter is not None else None
    return WaitingFor(kind=kind, state=suspended.state, event=event, question=suspended.approval)


def fold_variables(given: Mapping[str, Any], entries: Sequence[Entry]) -> dict[str, Any]:
    """The caller's variables, with what the steps changed."""
    variables = dict(given)
    for entry in entries:
        if isinstance(entry, StepFinished):
            variables.update(entry.changes)
            for name in entry.removed:
                variables.pop(name, None)
    return variables


def make_steps(history: RunHistory, secrets: Collection[str]) -> list[Step]:
    """Every attempt of every visit, in the order in which they began."""
    entries = [masked(entry, secrets) for entry in history.entries]
    begun: dict[tuple[int, int], StepStarted] = {}
    ended: dict[tuple[int, int], StepFinished] = {}
    logs: dict[int, list[Logged]] = {}
    used: dict[tuple[int, int], list[Used]] = {}
    for entry in entries:
        if isinstance(entry, StepStarted):
            begun[entry.seq, entry.attempt] = entry
        elif isinstance(entry, StepFinished):
            ended[entry.seq, entry.attempt] = entry
        elif isinstance(entry, Logged) and entry.seq:
            logs.setdefault(entry.seq, []).append(entry)
        elif isinstance(entry, Used):
            used.setdefault((entry.seq, entry.attempt), []).append(entry)
    visits = sorted({**begun, **ended})
    last_attempts = dict(visits)
    return [
        make_step(
            ended[visit] if visit in ended else begun[visit],
            history.status,
            total_of(entry.amounts for entry in used.get(visit, ())),
            logs_of(visit, last_attempts, logs, ended),
        )
        for visit in visits
    ]


def logs_of(
    visit: tuple[int, int],
    last_attempts: Mapping[int, int],
    logs: Mapping[int, Sequence[Logged]],
    ended: Mapping[tuple[int, int], StepFinished],
) -> list[StepLog]:
    """A line names its step and no attempt: it belongs to the first one that had not ended when it was written."""
    seq, attempt = visit
    before = ended.get((seq, attempt - 1))
    after = ended.get(visit)
    return [
        show_line(line)
        for line in logs.get(seq, ())
        if (before is None or line.at_ns > before.finished_ns)
        and (after is None or attempt == last_attempts[seq] or line.at_ns <= after.finished_ns)
    ]


def make_step(
    step: StepStarted | StepFinished, status: RunStatus, usage: dict[str, float], logs: list[StepLog]
) -> Step:
    """One attempt, of a run with this status."""
    if isinstance(step, StepFinished):
        return make_finished(step, usage, logs)
    return make_unfinished(step, status, usage, logs)


def make_finished(step: StepFinished, usage: dict[str, float], logs: list[StepLog]) -> Step:
    return Step(
        seq=step.seq,
        state=step.state,
        type=step.type,
        attempt=step.attempt,
        status=step.status,
        next=step.next,
        started_at=moment_of(step.started_ns),
        finished_at=moment_of(step.finished_ns),
        duration_ms=duration_ms(step.started_ns, step.finished_ns),
        changes=plain(dict(step.changes)),
        removed=list(step.removed),
        error=step.error,
        emitted=[show_event(event) for event in step.emitted],
        usage=usage,
        logs=logs,
    )


def make_unfinished(step: StepStarted, status: RunStatus, usage: dict[str, float], logs: list[StepLog]) -> Step:
    """A step that runs, or waits, or was cut short."""
    statuses = {
        RunStatus.RUNNING: StepStatus.RUNNING,
        RunStatus.WAITING: StepStatus.WAITING,
        RunStatus.CANCELLED: StepStatus.CANCELLED,
    }
    return Step(
        seq=step.seq,
        state=step.state,
        type=step.type,
        attempt=step.attempt,
        status=statuses.get(status, StepStatus.FAILED),
        next=None,
        started_at=moment_of(step.started_ns),
        finished_at=None,
        duration_ms=None,
        changes={},
        removed=[],
        error=None,
        emitted=[],
        usage=usage,
        logs=logs,
    )


def run_logs(history: RunHistory, secrets: Collection[str]) -> list[StepLog]:
    """Lines that belong to the run as a whole."""
    entries = [mask_entry(entry, secrets) for entry in history.entries]
    return [show_line(entry) for entry in entries if isinstance(entry, Logged) and not entry.seq]


def show_line(line: Logged) -> StepLog:
    return StepLog(at=moment_of(line.at_ns), level=line.level, message=line.message)


def show_event(event: Event) -> dict[str, Any]:
    """A CloudEvent in JSON format, with what it does not have left out."""
    attributes = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "datacontenttype": event.datacontenttype,
        "dataschema": event.dataschema,
        **event.extensions,
    }
    shown = {name: value for name, value in attributes.items() if value is not None}
    return {**shown, "data": plain(event.data)}


def plain(value: Any) -> Any:
    """As the engine writes values in answers: what JSON does not know is written as text."""
    return orjson.loads(to_json(value))


def copied(origin: tuple[str, int] | None) -> CopiedFrom | None:
    return None if origin is None else CopiedFrom(run_id=origin[0], seq=origin[1])


def duration_ms(started_ns: int, finished_ns: int | None) -> float | None:
    return None if finished_ns is None else max(0, finished_ns - started_ns) / NS_PER_MS
