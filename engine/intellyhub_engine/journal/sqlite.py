"""The journal in a SQLite file: one file, any number of threads and processes on one machine.

A durable call returns after its transaction is on the disk (write-ahead log, `synchronous=FULL`: one `fdatasync` per
commit). See docs/journal.md for what is kept and how to read it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from intellyhub_engine.errors import InputInvalid, JournalUnwritable, RunNotFound, ValueRefused
from intellyhub_engine.events import Event
from intellyhub_engine.journal import holding, keeping, queries, retention
from intellyhub_engine.journal.database import BUSY_SECONDS, Readers, open_writer
from intellyhub_engine.journal.encoding import (
    MAX_ENTRY_BYTES,
    encode_entries,
    encode_filter,
    encode_start,
    refuse_broken_text,
)
from intellyhub_engine.journal.faults import SqliteFaults
from intellyhub_engine.journal.groups import GroupCommit
from intellyhub_engine.journal.keeping import Remembered, Spent
from intellyhub_engine.journal.leases import LAST_NS
from intellyhub_engine.journal.records import (
    Entry,
    EventRuns,
    RunFinished,
    RunHistory,
    RunStart,
    RunStatus,
    RunSummary,
    RunSuspended,
    highest_seq,
    used_in,
    wakings_in,
)
from intellyhub_engine.journal.sql import Connection
from intellyhub_engine.journal.writer import Append, Operation, Writer

__all__ = ["SqliteJournal"]

Answer = TypeVar("Answer")

_MAX_RIDING_BYTES = 1024 * 1024
"""What may wait in memory for the next durable call."""
_MAX_REMEMBERED = 10_000
"""Runs whose last commit is remembered; more than a process works on at the same time."""
_UNCANCELLED_SECONDS = 0.05
"""How long what a commit saw of a cancellation is good enough for who asks right after it, as every effect does."""
_PRUNED_RUNS, _RETURNED_PAGES = 100, 500
"""How much one transaction of `prune` does; others write between two of them."""


class SqliteJournal:
    """Satisfies `Journal`. Open it in the process that uses it: a SQLite connection does not survive a fork.

    Raises `JournalUnwritable` where `path` cannot be a journal: a folder, a database of another program, written by a
    newer version, not writable.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        max_entry_bytes: int = MAX_ENTRY_BYTES,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self.path = Path(path)
        self._now_ns = now_ns
        self._max_entry_bytes = max_entry_bytes
        self._writer = Writer(open_writer(self.path, busy_seconds=busy_seconds), SqliteFaults(self.path))
        self._commits = GroupCommit(self._writer.commit, max_riding_bytes=_MAX_RIDING_BYTES)
        self._readers = Readers(self.path)
        self._process = os.getpid()
        self._uncancelled: dict[str, float] = {}
        """Runs nobody wanted cancelled when their last record was committed -> `time.monotonic()` then."""

    def begin(self, start: RunStart, *, owner: str, lease_seconds: float, entries: Sequence[Entry] = ()) -> RunHistory:
        """Make the run durable, or find the one with its id or key."""
        refuse_broken_text(start)
        try:
            body = encode_start(start, self._max_entry_bytes)
            copied = encode_entries(entries, self._max_entry_bytes) if entries else None
        except ValueRefused as fault:
            raise InputInvalid(str(fault)) from fault
        return self._operate(
            lambda connection: holding.begin_run(
                connection,
                start,
                body,
                owner=owner,
                now_ns=self._now_ns(),
                lease_seconds=lease_seconds,
                copied=None if copied is None else holding.Copied(highest_seq(entries), copied, wakings_in(entries)),
            )
        )

    def record(self, run_id: str, entries: Sequence[Entry], *, owner: str, durable: bool) -> None:
        """Append entries; on the disk when this returns, if `durable`."""
        self._refuse_fork()
        body = encode_entries(entries, self._max_entry_bytes)
        last = entries[-1] if entries else None
        write = Append(run_id, owner=owner, durable=durable, seq=highest_seq(entries), body=body)
        if isinstance(last, (RunSuspended, RunFinished)):
            write.closing = last
            if isinstance(last, RunSuspended) and last.event_filter is not None:
                write.closing_filter = encode_filter(last.event_filter)
        write.wakings, write.used = wakings_in(entries), used_in(entries)
        self._commits.submit(write)
        self._remember(write)

    def claim(self, run_id: str, *, owner: str, lease_seconds: float) -> RunHistory:
        """Take the run over."""
        return self._operate(
            lambda connection: holding.claim_run(
                connection, run_id, owner=owner, now_ns=self._now_ns(), lease_seconds=lease_seconds
            )
        )

    def renew(self, run_id: str, *, owner: str, lease_seconds: float) -> None:
        """Hold the run longer."""
        self._operate(
            lambda connection: holding.renew_run(
                connection, run_id, owner=owner, now_ns=self._now_ns(), lease_seconds=lease_seconds
            )
        )

    def release(self, run_id: str, *, owner: str) -> None:
        """Give the run back."""
        self._operate(lambda connection: holding.release_run(connection, run_id, owner=owner))

    def history(self, run_id: str) -> RunHistory:
        """The run with every entry recorded so far."""
        return self._read(lambda connection: queries.read_history(connection, run_id))

    def runs(
        self,
        *,
        flow: str | None = None,
        status: RunStatus | None = None,
        parent_id: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Sequence[RunSummary]:
        """A page of runs, newest first."""
        return self._read(
            lambda connection: queries.read_page(
                connection, flow=flow, status=status, parent_id=parent_id, limit=limit, before=before
            )
        )

    def due(self, now_ns: int, *, limit: int = 100) -> Sequence[str]:
        """Runs to resume now, the longest overdue first."""
        return self._read(lambda connection: queries.due_runs(connection, min(now_ns, LAST_NS), limit=limit))

    def waiting_for(self, event: Event, *, flow: str | None = None) -> Sequence[str]:
        """Waiting runs, children too, whose filter the event matches."""
        return self._read(lambda connection: queries.runs_waiting_for(connection, event, flow=flow))

    def runs_of_event(self, event: Event, *, flow: str) -> EventRuns:
        """The runs of a flow that have to do with an event."""
        return self._read(lambda connection: queries.runs_of_event(connection, event, flow=flow))

    def request_cancel(self, run_id: str) -> bool:
        """Ask the run and its children to stop."""
        asked = self._operate(lambda connection: holding.cancel_run(connection, run_id, now_ns=self._now_ns()))
        self._uncancelled.clear()
        return asked

    def cancel_requested(self, run_id: str) -> bool:
        """Whether someone asked. Writes nothing, waits for nothing; another process's wish is seen within 50 ms."""
        self._refuse_fork()
        seen = self._uncancelled.get(run_id)
        if seen is not None and time.monotonic() - seen < _UNCANCELLED_SECONDS:
            return False
        row = self._readers.ask(queries.CANCEL_REQUESTED, run_id)
        if row is None:
            raise RunNotFound(run_id)
        return bool(row[0])

    def remembered(self, flow: str, key: str) -> Remembered | None:
        """What the flow remembers under the key."""
        return self._read(lambda connection: keeping.read_memory(connection, flow, key))

    def remember(self, flow: str, key: str, value: str | None, *, expected: int | None = None) -> bool:
        """Remember JSON under the key, or forget it; on the disk when this returns."""
        keeping.refuse_key(key)
        keeping.refuse_value(key, len((value or "").encode()))
        return self._operate(
            lambda connection: keeping.put_memory(
                connection, flow, key, value, expected=expected, now_ns=self._now_ns()
            )
        )

    def spent(self, flow: str, *, since: str) -> Spent:
        """What the flow and its tenant have spent."""
        return self._read(lambda connection: keeping.read_spent(connection, flow, since))

    def prune(self, *, older_than_ns: int, keep: int = 0) -> int:
        """Delete runs that ended before `older_than_ns`, except the newest `keep` of each flow; how many went.

        Works in small transactions between which others write, and gives the space back to the file system.
        """

        def delete_some(connection: Connection) -> int:
            expired = retention.expired_runs(connection, older_than_ns=older_than_ns, keep=keep, limit=_PRUNED_RUNS)
            retention.delete_runs(connection, expired)
            return len(expired)

        pruned = 0
        self._operate(lambda connection: keeping.forget_spent(connection, self._now_ns()))
        while deleted := self._operate(delete_some):
            pruned += deleted
        while pruned and self._operate(lambda connection: retention.return_pages(connection, _RETURNED_PAGES)):
            continue
        return pruned

    def close(self) -> None:
        """Make everything recorded durable, then close."""
        if self._process != os.getpid():
            return  # the parent's connections: closing them here would drop the parent's locks
        try:
            self._commits.flush()
        finally:
            self._readers.close()
            self._writer.close()

    def _remember(self, write: Append) -> None:
        if write.uncancelled and write.closing is None and len(self._uncancelled) < _MAX_REMEMBERED:
            self._uncancelled[write.run_id] = time.monotonic()
        else:
            self._uncancelled.pop(write.run_id, None)

    def _operate(self, perform: Callable[[Connection], Answer]) -> Answer:
        self._refuse_fork()
        operation = Operation(perform)
        self._commits.submit(operation)
        return operation.answer

    def _read(self, question: Callable[[Connection], Answer]) -> Answer:
        self._refuse_fork()
        self._commits.flush()
        with self._readers.reading() as connection:
            return question(connection)

    def _refuse_fork(self) -> None:
        if self._process != os.getpid():
            raise JournalUnwritable(f"the journal {self.path} was opened before a fork; open it again in this process")
