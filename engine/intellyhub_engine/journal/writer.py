"""One transaction for a batch of writes: what each of them does to the tables, and what happens when it cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from intellyhub_engine.errors import EngineError, RunNotFound
from intellyhub_engine.journal.encoding import whole
from intellyhub_engine.journal.groups import Write
from intellyhub_engine.journal.keeping import add_spent
from intellyhub_engine.journal.leases import LAST_NS, refuse_stranger
from intellyhub_engine.journal.queries import top_of
from intellyhub_engine.journal.records import RunFinished, RunStatus, RunSuspended, Used
from intellyhub_engine.journal.sql import Connection, Faults

__all__ = ["Append", "Operation", "Writer", "remember_wakings"]

Answer = TypeVar("Answer")
Row = tuple[int, int, str, int | None]
"""A record to be: its run's number, its highest sequence number, its body, its mark."""

_MAX_TENURES = 10_000
"""Runs remembered between two records; more than a process works on at the same time."""

_INSERT = "INSERT INTO record (run, seq, body, mark) VALUES (?, ?, ?, ?)"
_MARKED = "SELECT 1 FROM record WHERE run = ? AND mark = ?"
_INSERT_IF_HELD = """
INSERT INTO record (run, seq, body, mark) SELECT number, ?, ?, ? FROM run
WHERE number = ? AND run_id = ? AND owner = ? AND status = 'running' AND cancel_requested = 0
"""
_INSERT_AWAKENING = "INSERT INTO awakening (flow, source, event_id, run) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_SELECT_TENURE = """
SELECT number, owner, status, cancel_requested, (SELECT coalesce(max(seq), 0) FROM record WHERE run = run.number)
FROM run WHERE run_id = ?
"""
_SUSPEND = """
UPDATE run SET status = 'waiting', owner = NULL, lease_until_ns = NULL, steps = ?,
    wake_ns = ?, event_type = ?, event_filter = ? WHERE number = ?
"""
_WAKE = "UPDATE run SET status = 'running', wake_ns = NULL, event_type = NULL, event_filter = NULL WHERE number = ?"
_FINISH = """
UPDATE run SET status = ?, owner = NULL, lease_until_ns = NULL, steps = ?, wake_ns = NULL, event_type = NULL,
    event_filter = NULL, finished_ns = ?, end_state = ?, error = ? WHERE number = ?
"""


class Append(Write):
    """Entries of one run, already encoded."""

    closing: RunFinished | RunSuspended | None = None
    """The last entry, where it ends the lease."""
    closing_filter: str | None = None
    """The event filter of a suspension, encoded."""
    wakings: Sequence[tuple[str, str]] = ()
    """Source and id of the events that have woken the run."""
    used: Sequence[Used] = ()
    """What the run has spent."""
    mark: int | None = None
    """Of the request that brought the entries."""
    again = False
    """The request is a repetition: a record with its mark may be there already."""
    uncancelled = False
    """Set by the commit: nobody had asked for the run's cancellation then."""

    def __init__(self, run_id: str, *, owner: str, durable: bool, seq: int, body: str) -> None:
        super().__init__(durable=durable, size=len(body))
        self.run_id = run_id
        self.owner = owner
        self.seq = seq
        """The highest sequence number in the body."""
        self.body = body


class Operation(Write, Generic[Answer]):
    """Anything else that changes the tables: `perform` runs in the transaction and refuses before it writes."""

    answer: Answer

    def __init__(self, perform: Callable[[Connection], Answer], *, touches: Sequence[str] | None = None) -> None:
        super().__init__(durable=True)
        self.perform = perform
        self.touches = touches
        """The runs it may change; None: any."""


@dataclass(slots=True)
class _Tenure:
    """What a record needs to know of its run."""

    number: int
    owner: str | None
    status: str
    cancel_requested: int
    seq: int


class Writer:
    """The one writing connection of a process. `commit` is called by one thread at a time.

    Other processes may write to the same file: whether a run is still held is looked at inside the transaction. What
    was read there is remembered until another connection commits, which SQLite tells (`PRAGMA data_version`).
    """

    def __init__(self, connection: Connection, faults: Faults) -> None:
        self._connection = connection
        self._faults = faults
        self._tenures: dict[str, _Tenure] = {}
        self._seen_version = -1

    def commit(self, batch: Sequence[Write]) -> None:
        """Make all writes in one transaction; where it cannot be done, each alone, so that one spoils no other.

        A write that nobody waits for stays undone on a full disk and comes with the next batch. Raises the driver's
        error where the connection is lost: then nobody knows what became of the batch.
        """
        try:
            if len(batch) != 1 or not self._append_alone(batch[0]):
                self._transact(batch)
        except Exception as fault:
            if self._faults.is_lost(fault):
                raise
            if len(batch) == 1 or self._faults.is_busy(fault):
                self._refuse(batch, fault)
            else:
                self._commit_each(batch)

    def close(self) -> None:
        """Close the connection; the last one of a file folds the write-ahead log into it."""
        self._connection.close()

    def _append_alone(self, write: Write) -> bool:
        """Commit the commonest batch, one record of a run that goes on, in a single statement: it looks at the lease
        itself. False where it does not apply, or the run is not held."""
        if not isinstance(write, Append) or write.closing is not None or write.again or write.wakings or write.used:
            return False
        tenure = self._tenures.get(write.run_id)
        if tenure is None:
            return False
        held = (tenure.number, write.run_id, write.owner)
        if self._connection.execute(_INSERT_IF_HELD, (write.seq, write.body, write.mark, *held)).rowcount != 1:
            return False
        tenure.seq = max(tenure.seq, write.seq)
        write.uncancelled = write.done = True
        return True

    def _commit_each(self, batch: Sequence[Write]) -> None:
        stuck: dict[str, Exception] = {}
        for write in batch:
            if isinstance(write, Append) and write.run_id in stuck:
                self._refuse(
                    [write], stuck[write.run_id]
                )  # entries stay in order: after a missing one, all are missing
                continue
            try:
                self._transact([write])
            except Exception as fault:
                if self._faults.is_lost(fault):
                    raise
                self._refuse([write], fault)
                if isinstance(write, Append):
                    stuck[write.run_id] = fault

    def _refuse(self, batch: Sequence[Write], fault: Exception) -> None:
        """Tell those who wait, each by an exception of its own: several threads raise it."""
        for write in batch:
            if not write.durable:
                continue
            if isinstance(fault, self._faults.kind):
                write.fault = self._faults.translate(fault)
                write.fault.__cause__ = fault
            else:
                write.fault = fault
            write.done = True

    def _transact(self, batch: Sequence[Write]) -> None:
        connection, began = self._connection, False
        try:
            connection.execute("BEGIN IMMEDIATE")
            began = True
            self._forget_what_others_changed()
            self._perform(batch)
            connection.execute("COMMIT")
        except BaseException as fault:
            if began and not connection.in_transaction and not isinstance(fault, self._faults.kind):
                _settle(batch)  # interrupted just after the commit
            else:
                self._roll_back()
            raise
        _settle(batch)

    def _perform(self, batch: Sequence[Write]) -> None:
        rows: list[Row] = []
        for write in batch:
            write.fault = None
            try:
                if isinstance(write, Append):
                    if write.again:
                        self._insert(rows)
                        if self._is_there(write):
                            continue
                    rows.append(self._append(write))
                elif isinstance(write, Operation):
                    self._insert(rows)
                    write.answer = write.perform(self._connection)
                    self._forget(write.touches)
            except EngineError as refusal:
                write.fault = refusal
        self._insert(rows)

    def _forget(self, touched: Sequence[str] | None) -> None:
        if touched is None:
            self._tenures.clear()
        else:
            for run_id in touched:
                self._tenures.pop(run_id, None)

    def _is_there(self, write: Append) -> bool:
        tenure = self._tenure(write.run_id)
        write.uncancelled = not tenure.cancel_requested
        return self._connection.execute(_MARKED, (tenure.number, write.mark)).fetchone() is not None

    def _insert(self, rows: list[Row]) -> None:
        if rows:
            self._connection.executemany(_INSERT, rows)
            rows.clear()

    def _append(self, write: Append) -> Row:
        tenure = self._tenure(write.run_id)
        refuse_stranger(write.run_id, tenure.owner, write.owner)
        tenure.seq = max(tenure.seq, write.seq)
        write.uncancelled = not tenure.cancel_requested
        if write.wakings:
            remember_wakings(self._connection, tenure.number, write.wakings)
        if write.used:
            add_spent(self._connection, tenure.number, write.used)
        if write.closing is not None:
            self._close_tenure(tenure, write, write.closing)
        elif tenure.status != RunStatus.RUNNING:
            self._connection.execute(_WAKE, (tenure.number,))
            tenure.status = RunStatus.RUNNING
        return tenure.number, write.seq, write.body, write.mark

    def _close_tenure(self, tenure: _Tenure, write: Append, closing: RunFinished | RunSuspended) -> None:
        del self._tenures[write.run_id]
        if isinstance(closing, RunSuspended):
            kind = closing.event_filter.get("type") if closing.event_filter else None
            kind = kind if isinstance(kind, str) else None  # only narrows the search
            wake_ns = None if closing.until_ns is None else min(closing.until_ns, LAST_NS)
            awaited = (wake_ns, kind, write.closing_filter)
            self._connection.execute(_SUSPEND, (tenure.seq, *awaited, tenure.number))
        else:
            outcome = (closing.finished_ns, closing.end_state, whole(closing.error))
            self._connection.execute(_FINISH, (closing.status, tenure.seq, *outcome, tenure.number))

    def _tenure(self, run_id: str) -> _Tenure:
        tenure = self._tenures.get(run_id)
        if tenure is None:
            row = self._connection.execute(_SELECT_TENURE, (run_id,)).fetchone()
            if row is None:
                raise RunNotFound(run_id)
            if len(self._tenures) >= _MAX_TENURES:
                self._tenures.clear()
            tenure = self._tenures[run_id] = _Tenure(*row)
        return tenure

    def _forget_what_others_changed(self) -> None:
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._seen_version:
            self._tenures.clear()
            self._seen_version = version

    def _roll_back(self) -> None:
        self._tenures.clear()
        self._connection.rollback()  # does nothing where SQLite has already done it


def remember_wakings(connection: Connection, number: int, woken: Sequence[tuple[str, str]]) -> None:
    """Keep which events have woken a run, so that they find it when they come again."""
    _, flow = top_of(connection, number)
    connection.executemany(
        _INSERT_AWAKENING, [(flow, whole(source), whole(event_id), number) for source, event_id in woken]
    )


def _settle(batch: Sequence[Write]) -> None:
    for write in batch:
        write.done = True
