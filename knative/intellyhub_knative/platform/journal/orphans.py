"""Runs whose worker has died: their leases end now, and those that cannot go on are failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from intellyhub_engine.journal.encoding import encode_entries, whole
from intellyhub_engine.journal.holding import cancel_run
from intellyhub_engine.journal.records import Entry, RunFinished, RunStatus, StepFinished, StepStatus
from intellyhub_engine.journal.sql import Connection

__all__ = ["orphan"]

_HELD = """
SELECT number, run_id, status, parent_id, deaths FROM run WHERE status = 'running' AND owner = ?1
UNION ALL SELECT number, run_id, status, parent_id, deaths FROM run
WHERE status = 'waiting' AND owner IS NOT NULL AND owner = ?1
"""
_LET_GO = "UPDATE run SET owner = NULL, lease_until_ns = NULL, hold = NULL, deaths = ? WHERE number = ?"
_CHILDREN = "SELECT run_id FROM run WHERE parent_id = ? AND status IN ('running', 'waiting')"
_OPEN_RUN = "SELECT number FROM run WHERE run_id = ? AND status IN ('running', 'waiting')"
_FINISH = """
UPDATE run SET status = 'failed', owner = NULL, lease_until_ns = NULL, hold = NULL, wake_ns = NULL, event_type = NULL,
    event_filter = NULL, finished_ns = ?2, error = ?3, steps = (SELECT coalesce(max(seq), 0) FROM record WHERE run = ?1)
WHERE number = ?1
"""


def orphan(connection: Connection, owner: str, *, error: str | None, most_deaths: int, now_ns: int) -> dict[str, Any]:
    """End the leases of a worker that is gone. With `error` its running runs fail with that message; so does a run
    whose workers have died `most_deaths` times. The ids of the runs: `{released, failed}`, without child runs."""
    released, failed = [], []
    for number, run_id, status, parent_id, deaths in connection.execute(_HELD, (owner,)).fetchall():
        connection.execute(_LET_GO, (deaths + 1, number))
        if parent_id is not None:
            continue  # it goes the way of its parent
        fault = error if error is not None and status == RunStatus.RUNNING else None
        if fault is None and deaths + 1 >= most_deaths:
            fault = f"its worker died {deaths + 1} times; the run was given up"
        if fault is None:
            released.append(run_id)
        else:
            fail(connection, run_id, fault, now_ns=now_ns)
            failed.append(run_id)
    return {"released": released, "failed": failed}


def fail(connection: Connection, run_id: str, fault: str, *, now_ns: int) -> None:
    """End a run that no worker will end, and its children: those that ran fail, those that waited are cancelled."""
    row = connection.execute(_OPEN_RUN, (run_id,)).fetchone()
    if row is None:
        return
    for (child_id,) in connection.execute(_CHILDREN, (run_id,)).fetchall():
        if connection.execute("SELECT status FROM run WHERE run_id = ?", (child_id,)).fetchone()[0] == "waiting":
            cancel_run(connection, child_id, now_ns=now_ns)
        fail(connection, child_id, fault, now_ns=now_ns)
    [number] = row
    entries: list[Entry] = [*steps_in_flight(connection, number, fault, now_ns)]
    entries.append(RunFinished(RunStatus.FAILED, None, fault, None, now_ns))
    seq = max((entry.seq for entry in entries if isinstance(entry, StepFinished)), default=0)
    insert = "INSERT INTO record (run, seq, body) VALUES (?, ?, ?)"
    connection.execute(insert, (number, seq, encode_entries(entries)))
    connection.execute(_FINISH, (number, now_ns, whole(fault)))


def steps_in_flight(connection: Connection, number: int, fault: str, now_ns: int) -> Iterator[StepFinished]:
    """The steps that were begun and not finished, as failed ones."""
    begun: dict[tuple[int, int], list[Any]] = {}
    for (body,) in connection.execute("SELECT body FROM record WHERE run = ? AND seq > 0 ORDER BY number", (number,)):
        for entry in orjson.loads(body):
            if entry[0] == "started":
                begun[entry[1], entry[4]] = entry
            elif entry[0] == "finished":
                begun.pop((entry[1], entry[4]), None)
    for _, seq, state, kind, attempt, started_ns in begun.values():
        yield StepFinished(seq, state, kind, attempt, StepStatus.FAILED, None, started_ns, now_ns, {}, fault, None, ())
