"""Runs as the platform lists them: by tenant, time and text; what waits, what is due, how many of each status."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from intellyhub_engine.errors import RunNotFound
from intellyhub_engine.events import Event
from intellyhub_engine.journal.encoding import decode_filter
from intellyhub_engine.journal.matching import event_key, event_matches
from intellyhub_engine.journal.sql import Connection

__all__ = [
    "Filter",
    "counts_of",
    "due_runs",
    "find_run",
    "flows_under",
    "latest",
    "next_wake_ns",
    "page",
    "waiting",
]

SUMMARY = """
SELECT run_id, flow, version, status, started_ns, finished_ns, end_state, error,
    CASE status WHEN 'running' THEN (SELECT coalesce(max(seq), 0) FROM record WHERE run = run.number) ELSE steps END,
    wake_ns, parent_id, copied_run, copied_seq
FROM run
"""
_NUMBERS = "SELECT number FROM run WHERE"
_DUE = """
SELECT number FROM (
    SELECT number, coalesce(lease_until_ns, 0) AS since_ns FROM run WHERE status = 'running' AND parent_id IS NULL
    UNION ALL
    SELECT number, max(wake_ns, coalesce(lease_until_ns, 0)) FROM run
    WHERE status = 'waiting' AND parent_id IS NULL AND wake_ns <= ?1
) AS found WHERE since_ns <= ?1 ORDER BY since_ns, number LIMIT ?2
"""
_NEXT_WAKE = """
SELECT min(since_ns) FROM (
    SELECT min(wake_ns) AS since_ns FROM run WHERE wake_ns > ?1
    UNION ALL SELECT min(lease_until_ns) FROM run WHERE status = 'running' AND lease_until_ns > ?1
) AS found
"""
_WAITING = """
SELECT number, event_filter FROM run
WHERE event_filter IS NOT NULL AND (event_type IS NULL OR event_type = ?)
    AND NOT EXISTS (SELECT 1 FROM awakening WHERE run = run.number AND source = ? AND event_id = ?) ORDER BY number
"""
_ROOT = """
WITH RECURSIVE line (number, flow, parent_id) AS (
    SELECT number, flow, parent_id FROM run WHERE number = ?
    UNION ALL SELECT run.number, run.flow, run.parent_id FROM run JOIN line ON run.run_id = line.parent_id
) SELECT number, flow FROM line WHERE parent_id IS NULL
"""


class Filter(NamedTuple):
    """Which runs a page shows; None leaves the choice open."""

    flow: str | None = None
    under: str | None = None
    """What the flow's name begins with: `<tenant_id>/`."""
    status: str | None = None
    parent_id: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    text: str | None = None
    """Part of the run's id, its event's id or source, its end state or its error."""


def page(connection: Connection, wanted: Filter, *, limit: int, before: str | None) -> list[list[Any]]:
    """Summaries, newest first. Raises `RunNotFound` for an unknown `before`."""
    conditions, values = _conditions(wanted, connection, before)
    if wanted.under is None:
        return list(_summaries(connection, conditions, values, limit))
    # Flow by flow, each no further down than the page so far: what other tenants have is never read.
    newest: list[int] = []
    query = f"{_NUMBERS} {' AND '.join([*conditions, 'flow = ?', 'number > ?'])} ORDER BY number DESC LIMIT ?"
    for flow in flows_under(connection, wanted.under):
        floor = newest[-1] if len(newest) == limit else 0
        found = [number for (number,) in connection.execute(query, (*values, flow, floor, limit))]
        newest = heapq.nlargest(limit, newest + found) if found else newest
    return summaries_of(connection, newest)


def flows_under(connection: Connection, under: str) -> Iterator[str]:
    """The flows whose names begin so and that have runs, each found by one look into the index."""
    query = "SELECT min(flow) FROM run WHERE parent_id IS NULL AND flow > ? AND flow < ?"
    last, end = under, under + "\U0010ffff"
    while (flow := connection.execute(query, (last, end)).fetchone()[0]) is not None:
        yield flow
        last = flow


def summaries_of(connection: Connection, numbers: Sequence[int]) -> list[list[Any]]:
    """Summaries of runs, in that order."""
    query = f"{SUMMARY} JOIN json_each(?) AS wanted ON wanted.value = run.number ORDER BY wanted.key"
    return [_summary(row) for row in connection.execute(query, (json.dumps(list(numbers)),))]


def find_run(connection: Connection, flow: str, source: str, event_id: str) -> list[Any] | None:
    """The run that an event made."""
    conditions = ["flow = ?", "event_source = ?", "event_id = ?", "event_id IS NOT NULL"]
    return next(_summaries(connection, conditions, [flow, source, event_id], 1), None)


def latest(connection: Connection, flows: Sequence[str]) -> list[list[Any]]:
    """The newest run of each flow that has one."""
    conditions = ["parent_id IS NULL", "flow = ?"]
    return [row for flow in flows for row in _summaries(connection, conditions, [flow], 1)]


def due_runs(connection: Connection, now_ns: int, *, limit: int) -> list[list[Any]]:
    """Runs to resume now, the longest overdue first."""
    return summaries_of(connection, [number for (number,) in connection.execute(_DUE, (now_ns, limit)).fetchall()])


def next_wake_ns(connection: Connection, after_ns: int) -> int | None:
    """When the first run is due, of those that become so after a moment."""
    return connection.execute(_NEXT_WAKE, (after_ns,)).fetchone()[0]  # type: ignore[no-any-return]


def waiting(
    connection: Connection, event: Event, *, flow: str | None = None, under: str | None = None
) -> list[tuple[int, int]]:
    """The waiting runs whose filter the event matches, with the runs they descend from, which are of that flow or those
    flows: pairs of numbers."""
    found = []
    for number, event_filter in connection.execute(_WAITING, (event.type, *event_key(event))).fetchall():
        root, its_flow = connection.execute(_ROOT, (number,)).fetchone() or (number, "")
        if flow is not None and its_flow != flow:
            continue
        if under is not None and not its_flow.startswith(under):
            continue
        if event_matches(event, decode_filter(event_filter)):
            found.append((number, root))
    return found


def counts_of(connection: Connection, flow: str | None, under: str | None) -> dict[str, int]:
    """How many runs of each status a flow has, or those of a tenant."""
    flows = [flow] if flow is not None else list(flows_under(connection, under or ""))
    counted = dict.fromkeys(("running", "waiting", "succeeded", "failed", "cancelled"), 0)
    query = "SELECT status, count(*) FROM run WHERE parent_id IS NULL AND flow = ? GROUP BY status"
    for one in flows:
        for status, count in connection.execute(query, (one,)):
            counted[status] += count
    return counted


def _conditions(wanted: Filter, connection: Connection, before: str | None) -> tuple[list[str], list[Any]]:
    number = None
    if before is not None:
        row = connection.execute("SELECT number FROM run WHERE run_id = ?", (before,)).fetchone()
        if row is None:
            raise RunNotFound(before)
        number = row[0]
    conditions = ["parent_id IS NULL"] if wanted.parent_id is None else []  # said so that its index is found
    values: list[Any] = []
    for condition, value in (
        ("parent_id = ?", wanted.parent_id),
        ("flow = ?", wanted.flow),
        ("status = ?", wanted.status),
        ("started_ns >= ?", wanted.since_ns),
        ("started_ns < ?", wanted.until_ns),
        ("number < ?", number),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if wanted.text:
        places = ("run_id", "event_id", "event_source", "end_state", "error")
        conditions.append("(" + " OR ".join(f"instr(lower({place}), ?) > 0" for place in places) + ")")
        values += [wanted.text.lower()] * len(places)
    return conditions, values


def _summaries(connection: Connection, conditions: list[str], values: list[Any], limit: int) -> Iterator[list[Any]]:
    query = f"{SUMMARY} WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT ?"
    yield from map(_summary, connection.execute(query, (*values, limit)))


def _summary(found: Sequence[Any]) -> list[Any]:
    *row, copied_run, copied_seq = found
    return [*row, None if copied_run is None else (copied_run, copied_seq)]
