"""Records of runs as they are stored: histories in pages, entries behind a place, log lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from intellyhub_engine.errors import RunNotFound
from intellyhub_engine.journal.sql import Connection
from intellyhub_knative.platform.journal.listing import flows_under

__all__ = ["POSITION_BITS", "history", "logs", "newest_record", "records_after"]

POSITION_BITS = 20
"""An entry's index is its record's number and its position in it, in so many bits; below 2^53 for 8 thousand million
records, so that JavaScript can hold it."""
_RUN = """
SELECT number, status, flow, version, started_ns, parent_id, copied_run, copied_seq FROM run WHERE run_id = ?
"""
_RECORDS = "SELECT number, CAST(body AS BLOB) FROM record WHERE run = ? AND number > ? ORDER BY number"
_RECORDS_OF_ALL = """
SELECT record.number, run.run_id, run.flow, run.parent_id, CAST(record.body AS BLOB)
FROM record JOIN run ON run.number = record.run WHERE record.number > ? AND record.number <= ? ORDER BY record.number
"""
_FAMILIES = """
SELECT number, run_id, status FROM run WHERE parent_id IS NULL AND flow = ? ORDER BY number DESC LIMIT ?
"""
_CHILDREN = "SELECT number, run_id FROM run WHERE parent_id = ?"
_LOGGED = """
SELECT number, CAST(body AS BLOB) FROM record WHERE run = ? AND number <= ? ORDER BY number DESC
"""
_RUNS_SEARCHED = 200
"""How many runs of a flow are looked through for log lines, the newest first."""


def history(
    connection: Connection, run_id: str, after: int, *, max_bytes: int
) -> tuple[tuple[Any, ...], str, int | None, list[bytes]]:
    """What a run is, its status, where to go on (None: that is all), and the bodies of its records after a place."""
    row = connection.execute(_RUN, (run_id,)).fetchone()
    if row is None:
        raise RunNotFound(run_id)
    number, status, flow, version, started_ns, parent_id, copied_run, copied_seq = row
    head = (flow, version, started_ns, parent_id, None if copied_run is None else (copied_run, copied_seq))
    bodies: list[bytes] = []
    size, last = 0, after
    for record, body in connection.execute(_RECORDS, (number, after)):
        size += len(body)
        if bodies and size > max_bytes:
            return head, status, last, bodies
        bodies.append(body)
        last = record
    return head, status, None, bodies


def records_after(
    connection: Connection,
    after: int,
    until: int,
    *,
    run_id: str | None,
    under: str | None,
    max_bytes: int,
    with_children: bool = False,
) -> tuple[list[Any], list[bytes], int]:
    """Records of one run or of the flows under a prefix, with numbers above `after` up to `until`: rows of (number,
    run, flow), with children of all runs also (parent); bodies; the number up to which that is all. Raises
    `RunNotFound`."""
    rows: list[Any] = []
    bodies: list[bytes] = []
    size = 0
    for row, body in _rows_after(connection, after, until, run_id, under, with_children):
        size += len(body)
        if rows and size > max_bytes:
            return rows, bodies, rows[-1][0]
        rows.append(row)
        bodies.append(body)
    return rows, bodies, until


def newest_record(connection: Connection) -> int:
    """The number of the last record; 0 where there is none."""
    return int(connection.execute("SELECT coalesce(max(number), 0) FROM record").fetchone()[0])


def logs(
    connection: Connection, *, flow: str | None, under: str | None, limit: int, before: int | None
) -> list[list[Any]]:
    """Log lines, newest first: (index, run, seq, level, message, moment, state)."""
    last = 2**62 if before is None else before
    lines: list[list[Any]] = []
    for one in [flow] if flow is not None else flows_under(connection, under or ""):
        found: list[list[Any]] = []
        for number, run_id, status in connection.execute(_FAMILIES, (one, _RUNS_SEARCHED)).fetchall():
            if len(found) < limit or status in {"running", "waiting"}:
                for member, member_id in _family(connection, number, run_id):
                    found += _lines_of(connection, member, member_id, limit, last)
        lines += found
    lines.sort(reverse=True)
    return lines[:limit]


def _rows_after(
    connection: Connection, after: int, until: int, run_id: str | None, under: str | None, with_children: bool
) -> Iterator[tuple[list[Any], bytes]]:
    if run_id is None:
        for number, its_run, flow, parent_id, body in connection.execute(_RECORDS_OF_ALL, (after, until)):
            if with_children:
                yield [number, its_run, flow, parent_id], body
            elif parent_id is None and flow.startswith(under or ""):
                yield [number, its_run, flow], body
        return
    row = connection.execute("SELECT number, flow FROM run WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        raise RunNotFound(run_id)
    for number, body in connection.execute(_RECORDS, (row[0], after)):
        if number > until:
            return
        yield [number, run_id, row[1]], body


def _family(connection: Connection, number: int, run_id: str) -> Iterator[tuple[int, str]]:
    yield number, run_id
    for child, child_id in connection.execute(_CHILDREN, (run_id,)).fetchall():
        yield from _family(connection, child, child_id)


def _lines_of(connection: Connection, run: int, run_id: str, limit: int, before: int) -> list[list[Any]]:
    lines: list[list[Any]] = []
    states: dict[int, str] = {}
    for number, body in connection.execute(_LOGGED, (run, before >> POSITION_BITS)):
        has_lines = b'["log",' in body
        for position, entry in enumerate(orjson.loads(body) if has_lines or lines else ()):
            if entry[0] == "log":
                index = number << POSITION_BITS | position
                if index < before:
                    lines.append([index, run_id, *entry[1:5], None])
            elif entry[0] in {"started", "finished"}:
                states[entry[1]] = entry[2]
        if len(lines) >= limit and not has_lines:
            break
    for line in lines:
        line[6] = states.get(line[2])
    return lines
