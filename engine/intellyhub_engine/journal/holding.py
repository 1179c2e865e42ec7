"""Beginning, taking over, giving back and cancelling runs: what happens inside the write transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from intellyhub_engine.errors import RunNotFound
from intellyhub_engine.journal.encoding import encode_entries
from intellyhub_engine.journal.leases import lease_end, refuse_living_lease, refuse_stranger
from intellyhub_engine.journal.queries import find_run, read_history
from intellyhub_engine.journal.records import RunFinished, RunHistory, RunStart, RunStatus
from intellyhub_engine.journal.sql import Connection
from intellyhub_engine.journal.writer import remember_wakings

__all__ = ["Copied", "begin_run", "cancel_run", "claim_run", "enter_run", "hold_run", "release_run", "renew_run"]

_OPEN = (RunStatus.RUNNING, RunStatus.WAITING)

_INSERT_RUN = """
INSERT INTO run (run_id, parent_id, flow, version, event_source, event_id, copied_run, copied_seq, status, started_ns,
    owner, lease_until_ns, hold) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running', ?, ?, ?, ?) RETURNING number
"""
_INSERT_START = "INSERT INTO record (run, seq, body) VALUES (?, 0, ?)"
_HOLD = "UPDATE run SET owner = ?, lease_until_ns = ?, hold = ? WHERE run_id = ?"
_RENEW = "UPDATE run SET lease_until_ns = ? WHERE run_id = ?"
_CANCEL = """
UPDATE run SET status = 'cancelled', finished_ns = ?, cancel_requested = 1, wake_ns = NULL, event_type = NULL,
    event_filter = NULL, owner = NULL, lease_until_ns = NULL WHERE run_id = ?
"""
_INSERT_COPIED = "INSERT INTO record (run, seq, body) SELECT number, ?, ? FROM run WHERE run_id = ?"
_INSERT_END = "INSERT INTO record (run, seq, body) SELECT number, 0, ? FROM run WHERE run_id = ?"


class Copied(NamedTuple):
    """The entries that a run begins with."""

    seq: int
    """The last step they speak of."""
    body: str
    woken: Sequence[tuple[str, str]]
    """Source and id of the events that have woken the run they come from."""


def begin_run(
    connection: Connection,
    start: RunStart,
    body: str,
    *,
    owner: str,
    now_ns: int,
    lease_seconds: float,
    copied: Copied | None = None,
) -> RunHistory:
    """Insert the run with the entries it begins with; or find the one with its id or key, or that its event has woken,
    and hold it where that is allowed."""
    run_id, is_new = enter_run(
        connection, start, body, owner=owner, now_ns=now_ns, lease_seconds=lease_seconds, copied=copied
    )
    if is_new and copied is None:
        return RunHistory(start=start, entries=(), status=RunStatus.RUNNING)
    return read_history(connection, run_id)


def enter_run(
    connection: Connection,
    start: RunStart,
    body: str,
    *,
    owner: str,
    now_ns: int,
    lease_seconds: float,
    copied: Copied | None = None,
    mark: int | None = None,
) -> tuple[str, bool]:
    """As `begin_run`, without its history: the run's id, and whether it was made now. `mark` is the request's: who asks
    again with the same one gets the hold it has got."""
    found = find_run(connection, start)
    if found is None:
        _insert_run(connection, start, body, owner, lease_end(now_ns, lease_seconds), mark)
        if copied is not None:
            connection.execute(_INSERT_COPIED, (copied.seq, copied.body, start.run_id))
            if copied.woken:
                number = connection.execute("SELECT number FROM run WHERE run_id = ?", (start.run_id,)).fetchone()[0]
                remember_wakings(connection, number, copied.woken)
        return start.run_id, True
    run_id, status = found
    if status is RunStatus.RUNNING:
        _hold(connection, run_id, owner=owner, now_ns=now_ns, lease_seconds=lease_seconds, mark=mark)
    return run_id, False


def claim_run(connection: Connection, run_id: str, *, owner: str, now_ns: int, lease_seconds: float) -> RunHistory:
    """Hold the run, unless it has ended or someone's lease lives."""
    history = read_history(connection, run_id)
    hold_run(connection, run_id, owner=owner, now_ns=now_ns, lease_seconds=lease_seconds)
    return history


def hold_run(
    connection: Connection,
    run_id: str,
    *,
    owner: str,
    now_ns: int,
    lease_seconds: float,
    mark: int | None = None,
) -> None:
    """As `claim_run`, without its history."""
    if _status(connection, run_id) in _OPEN:
        _hold(connection, run_id, owner=owner, now_ns=now_ns, lease_seconds=lease_seconds, mark=mark)


def renew_run(connection: Connection, run_id: str, *, owner: str, now_ns: int, lease_seconds: float) -> None:
    """Move the end of the owner's lease."""
    holder, _ = _lease(connection, run_id)
    refuse_stranger(run_id, holder, owner)
    connection.execute(_RENEW, (lease_end(now_ns, lease_seconds), run_id))


def release_run(connection: Connection, run_id: str, *, owner: str) -> None:
    """End the owner's lease."""
    holder, _ = _lease(connection, run_id)
    if holder == owner:
        connection.execute(_HOLD, (None, None, None, run_id))


def cancel_run(connection: Connection, run_id: str, *, now_ns: int) -> bool:
    """Cancel a waiting run at once, ask a running one; its children too."""
    if _status(connection, run_id) not in _OPEN:
        return False
    for (child_id,) in connection.execute("SELECT run_id FROM run WHERE parent_id = ?", (run_id,)).fetchall():
        cancel_run(connection, child_id, now_ns=now_ns)
    holder, until_ns = _lease(connection, run_id)
    held = holder is not None and until_ns is not None and until_ns > now_ns
    if _status(connection, run_id) is RunStatus.WAITING and not held:
        end = RunFinished(RunStatus.CANCELLED, None, None, None, now_ns)
        connection.execute(_CANCEL, (now_ns, run_id))
        connection.execute(_INSERT_END, (encode_entries([end]), run_id))
    else:
        connection.execute("UPDATE run SET cancel_requested = 1 WHERE run_id = ?", (run_id,))
    return True


def _insert_run(
    connection: Connection, start: RunStart, body: str, owner: str, until_ns: int, mark: int | None
) -> None:
    _, source, event_id = start.key or (None, None, None)
    copied_run, copied_seq = start.copied_from or (None, None)
    identity = (start.run_id, start.parent_id, start.flow, start.version, source, event_id, copied_run, copied_seq)
    [number] = connection.execute(_INSERT_RUN, (*identity, start.started_ns, owner, until_ns, mark)).fetchone()
    connection.execute(_INSERT_START, (number, body))


def _hold(
    connection: Connection,
    run_id: str,
    *,
    owner: str,
    now_ns: int,
    lease_seconds: float,
    mark: int | None = None,
) -> None:
    holder, until_ns = _lease(connection, run_id)
    if mark is None or not _is_hold_of(connection, run_id, owner, mark):
        refuse_living_lease(run_id, holder, until_ns, now_ns)
    connection.execute(_HOLD, (owner, lease_end(now_ns, lease_seconds), mark, run_id))


def _is_hold_of(connection: Connection, run_id: str, owner: str, mark: int) -> bool:
    query = "SELECT 1 FROM run WHERE run_id = ? AND owner = ? AND hold = ?"
    return connection.execute(query, (run_id, owner, mark)).fetchone() is not None


def _lease(connection: Connection, run_id: str) -> tuple[str | None, int | None]:
    row = connection.execute("SELECT owner, lease_until_ns FROM run WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        raise RunNotFound(run_id)
    return row[0], row[1]


def _status(connection: Connection, run_id: str) -> RunStatus:
    row = connection.execute("SELECT status FROM run WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        raise RunNotFound(run_id)
    return RunStatus(row[0])
