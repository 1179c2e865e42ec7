"""Questions to the journal's tables. Each takes a connection that stands in a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from intellyhub_engine.errors import RunNotFound
from intellyhub_engine.events import Event
from intellyhub_engine.journal.encoding import decode_filter, decode_record, decode_start
from intellyhub_engine.journal.matching import event_key, event_matches
from intellyhub_engine.journal.records import Entry, EventRuns, RunHistory, RunStart, RunStatus, RunSummary
from intellyhub_engine.journal.sql import Connection

__all__ = [
    "CANCEL_REQUESTED",
    "due_runs",
    "find_run",
    "read_history",
    "read_page",
    "runs_of_event",
    "runs_waiting_for",
    "runs_woken_by",
    "top_of",
]

CANCEL_REQUESTED = "SELECT cancel_requested FROM run WHERE run_id = ?"
"""Asked by every effect; finds no row for an unknown run."""

_RUN = """
SELECT number, flow, version, started_ns, parent_id, copied_run, copied_seq, status FROM run WHERE run_id = ?
"""
_SUMMARY = """
SELECT run_id, flow, version, status, started_ns, finished_ns, end_state, error,
    CASE status WHEN 'running' THEN (SELECT coalesce(max(seq), 0) FROM record WHERE run = run.number) ELSE steps END,
    wake_ns, parent_id, copied_run, copied_seq
FROM run WHERE
"""
_DUE = """
SELECT run_id, since_ns FROM (
    SELECT run_id, number, flow, coalesce(lease_until_ns, 0) AS since_ns
    FROM run WHERE status = 'running' AND parent_id IS NULL
    UNION ALL
    SELECT run_id, number, flow, max(wake_ns, coalesce(lease_until_ns, 0))
    FROM run WHERE status = 'waiting' AND parent_id IS NULL AND wake_ns <= ?1
) AS found WHERE since_ns <= ?1 AND (?2 IS NULL OR flow = ?2) ORDER BY since_ns, number LIMIT ?3
"""
_AWAITING = """
SELECT number, run_id, flow, parent_id, event_filter FROM run
WHERE event_filter IS NOT NULL AND (event_type IS NULL OR event_type = ?)
    AND NOT EXISTS (SELECT 1 FROM awakening WHERE run = run.number AND source = ? AND event_id = ?) ORDER BY number
"""
_WOKEN = "SELECT run FROM awakening WHERE flow = ? AND source = ? AND event_id = ? ORDER BY run"
_TOP = """
WITH RECURSIVE line (number, flow, parent_id, height) AS (
    SELECT number, flow, parent_id, 0 FROM run WHERE number = ?
    UNION ALL
    SELECT run.number, run.flow, run.parent_id, height + 1 FROM run JOIN line ON run.run_id = line.parent_id
) SELECT number, flow FROM line ORDER BY height DESC LIMIT 1
"""


def find_run(connection: Connection, start: RunStart) -> tuple[str, RunStatus] | None:
    """The run with the id of `start`, else the one with its key, else the one that its event has woken."""
    query = "SELECT run_id, status FROM run WHERE "
    row = connection.execute(f"{query} run_id = ?", (start.run_id,)).fetchone()
    if row is None and start.key is not None:
        row = connection.execute(f"{query} flow = ? AND event_source = ? AND event_id = ?", start.key).fetchone()
        if row is None:
            woken = connection.execute(_WOKEN, start.key).fetchone()
            if woken is not None:
                row = connection.execute(f"{query} number = ?", top_of(connection, *woken)[:1]).fetchone()
    return (row[0], RunStatus(row[1])) if row else None


def read_history(connection: Connection, run_id: str) -> RunHistory:
    """The run with every entry. Raises `RunNotFound`."""
    row = connection.execute(_RUN, (run_id,)).fetchone()
    if row is None:
        raise RunNotFound(run_id)
    number, flow, version, started_ns, parent_id, copied_run, copied_seq, status = row
    bodies = connection.execute("SELECT body FROM record WHERE run = ? ORDER BY number", (number,))
    event, variables, state = decode_start(bodies.fetchone()[0])
    entries: list[Entry] = []
    for (body,) in bodies:
        entries += decode_record(body)
    start = RunStart(
        run_id=run_id,
        flow=flow,
        version=version,
        started_ns=started_ns,
        event=event,
        variables=variables,
        parent_id=parent_id,
        state=state,
        copied_from=None if copied_run is None else (copied_run, copied_seq),
    )
    return RunHistory(start=start, entries=tuple(entries), status=RunStatus(status))


def read_page(
    connection: Connection,
    *,
    flow: str | None,
    status: RunStatus | None,
    parent_id: str | None,
    limit: int,
    before: str | None,
) -> Sequence[RunSummary]:
    """Summaries, newest first. Raises `RunNotFound` for an unknown `before`."""
    conditions = [] if parent_id is not None else ["parent_id IS NULL"]  # said so that its index is found
    values: list[str | int] = []
    number = None if before is None else _number(connection, before)
    for condition, wanted in (
        ("parent_id = ?", parent_id),
        ("flow = ?", flow),
        ("status = ?", status),
        ("number < ?", number),
    ):
        if wanted is not None:
            conditions.append(condition)
            values.append(wanted)
    query = f"{_SUMMARY} {' AND '.join(conditions)} ORDER BY number DESC LIMIT ?"
    return [_summary(*row) for row in connection.execute(query, (*values, limit))]


def due_runs(connection: Connection, now_ns: int, *, limit: int, flow: str | None = None) -> Sequence[str]:
    """Ids of runs to resume, the longest overdue first; of one flow, where it is given."""
    return [run_id for run_id, _ in connection.execute(_DUE, (now_ns, flow, limit))]


def runs_waiting_for(connection: Connection, event: Event, *, flow: str | None) -> Sequence[str]:
    """Ids of waiting runs whose filter the event matches and that it has not woken before."""
    found = []
    rows = connection.execute(_AWAITING, (event.type, *event_key(event))).fetchall()
    for number, run_id, its_flow, parent_id, encoded in rows:
        if flow is not None and flow != (its_flow if parent_id is None else top_of(connection, number)[1]):
            continue
        if event_matches(event, decode_filter(encoded)):
            found.append(run_id)
    return found


def runs_of_event(connection: Connection, event: Event, *, flow: str) -> EventRuns:
    """The run that the event made, those that it woke, those that wait for it: of one flow."""
    query = "SELECT run_id FROM run WHERE flow = ? AND event_source = ? AND event_id = ? AND event_id IS NOT NULL"
    begun = connection.execute(query, (flow, *event_key(event))).fetchone()
    woken = [
        connection.execute("SELECT run_id FROM run WHERE number = ?", (number,)).fetchone()[0]
        for number in runs_woken_by(connection, event, flow=flow)
    ]
    return EventRuns(begun and begun[0], woken, runs_waiting_for(connection, event, flow=flow))


def runs_woken_by(connection: Connection, event: Event, *, flow: str) -> list[int]:
    """The numbers of the runs of a flow that the event has woken; children too."""
    return [number for (number,) in connection.execute(_WOKEN, (flow, *event_key(event)))]


def top_of(connection: Connection, number: int) -> tuple[int, str]:
    """Number and flow of the run that a child run belongs to in the end; a run that has no parent is its own."""
    row: tuple[int, str] = connection.execute(_TOP, (number,)).fetchone()
    return row


def _number(connection: Connection, run_id: str) -> int:
    row = connection.execute("SELECT number FROM run WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        raise RunNotFound(run_id)
    return int(row[0])


def _summary(
    run_id: str,
    flow: str,
    version: str,
    status: str,
    started_ns: int,
    finished_ns: int | None,
    end_state: str | None,
    error: str | None,
    steps: int,
    wake_ns: int | None,
    parent_id: str | None,
    copied_run: str | None,
    copied_seq: int | None,
) -> RunSummary:
    return RunSummary(
        run_id=run_id,
        flow=flow,
        version=version,
        status=RunStatus(status),
        started_ns=started_ns,
        finished_ns=finished_ns,
        end_state=end_state,
        error=error,
        steps=steps,
        wake_ns=wake_ns,
        parent_id=parent_id,
        copied_from=None if copied_run is None or copied_seq is None else (copied_run, copied_seq),
    )
