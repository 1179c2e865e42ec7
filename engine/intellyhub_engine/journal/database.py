"""Opening a journal's file: creating it, refusing what is not one, bringing its tables up to date."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import JournalError, JournalUnwritable
from intellyhub_engine.journal.faults import is_busy, translate
from intellyhub_engine.journal.schema import APPLICATION_ID, MIGRATIONS

__all__ = ["BUSY_SECONDS", "Readers", "open_reader", "open_writer"]

BUSY_SECONDS = 10.0
"""How long one process waits for another's commit, which takes milliseconds."""

_WAL_KEPT_BYTES = 16 * 1024 * 1024
"""What the write-ahead log is cut back to after something large went through it."""

_PAGE_BYTES = 2048
"""A commit of one record rewrites two pages, and each costs its bytes: in the log, in its checksum, on the disk."""

_CHECKPOINT_PAGES = 512
"""How large the write-ahead log grows before it is folded into the file and begins anew. Small, because a commit that
overwrites it takes about half as long as one that makes it longer (no new blocks to allocate, no new file size)."""

_WRITER_SETTINGS = f"""
PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES};
PRAGMA synchronous = FULL;
PRAGMA secure_delete = FAST;
PRAGMA journal_size_limit = {_WAL_KEPT_BYTES};
"""


def open_writer(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """The connection every write goes through. Raises `JournalUnwritable` where `path` cannot be a journal."""
    _refuse_place(path)
    try:
        _create(path)
    except OSError as fault:
        raise JournalUnwritable(
            f"the journal {path} cannot be opened ({fault.strerror}); name a file you may write"
        ) from fault
    connection = _connect(path, busy_seconds)
    try:
        _prepare(connection, path, busy_seconds)
    except sqlite3.Error as fault:
        connection.close()
        raise translate(fault, path) from fault
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """A connection that only reads."""
    connection = _connect(path, busy_seconds)
    connection.execute("PRAGMA query_only = ON")
    return connection


class Readers:
    """Connections for reading, one per thread that reads at the same moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one unchanging state of the journal. SQLite's errors leave it translated."""
        try:
            connection = self._borrow()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                connection.rollback()
                self._give_back(connection)
        except sqlite3.Error as fault:
            raise translate(fault, self._path) from fault

    def ask(self, question: str, *values: str) -> Any:
        """The first row of one statement, which is a transaction of its own; None when there is none."""
        try:
            connection = self._borrow()
            try:
                return connection.execute(question, values).fetchone()
            finally:
                self._give_back(connection)
        except sqlite3.Error as fault:
            raise translate(fault, self._path) from fault

    def close(self) -> None:
        """Close those not in use now, the others when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _borrow(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            if self._closed:
                raise JournalError(f"the journal {self._path} is closed") from None
            return open_reader(self._path)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)


def _refuse_place(path: Path) -> None:
    if path.is_dir():
        raise JournalUnwritable(f"the journal {path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise JournalUnwritable(f"the journal {path} cannot be made: there is no folder {path.parent}; create it first")


def _create(path: Path) -> None:
    """Make an empty file that only its owner can read (runs hold private data), and see to it that its name lasts."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as fault:
        raise translate(fault, path) from fault


def _prepare(connection: sqlite3.Connection, path: Path, busy_seconds: float) -> None:
    applied = _applied_migrations(connection, path)
    connection.executescript(_WRITER_SETTINGS)
    if applied == 0:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    _use_wal(connection, path, busy_seconds)
    if applied < len(MIGRATIONS):
        _migrate(connection, path)


def _applied_migrations(connection: sqlite3.Connection, path: Path) -> int:
    """Another process may make the journal meanwhile; tables and mark come at once, so tables are read first."""
    filled = connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        if application or filled:
            raise JournalUnwritable(
                f"{path} is a SQLite database of another program; name another file for the journal"
            )
        return 0
    if version > len(MIGRATIONS):
        raise JournalUnwritable(
            f"the journal {path} was written by a newer IntellyHub (its tables are version {version}, this one knows "
            f"{len(MIGRATIONS)}); install that one or name another file"
        )
    return version


def _use_wal(connection: sqlite3.Connection, path: Path, busy_seconds: float) -> None:
    """Switch to the write-ahead log. SQLite does not wait by itself for another process that does the same."""
    deadline = time.monotonic() + busy_seconds
    mode = None
    while mode is None:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as fault:
            if not is_busy(fault) or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
    if mode != "wal":
        raise JournalUnwritable(
            f"the journal {path} lies on a file system without locks or shared memory; use a local disk"
        )


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Apply what is missing in one transaction; another process may have done so while this one waited for it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[_applied_migrations(connection, path) :]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _statements(script: str) -> Iterator[str]:
    """The statements one by one: `executescript` would commit the transaction they belong to."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
