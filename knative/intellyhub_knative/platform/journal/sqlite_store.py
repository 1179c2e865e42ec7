"""The database in a file: what the platform on one machine has."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from intellyhub_engine.journal.database import Readers, open_reader, open_writer
from intellyhub_engine.journal.faults import SqliteFaults, translate
from intellyhub_engine.journal.sql import Connection
from intellyhub_engine.journal.writer import Writer
from intellyhub_knative.platform.journal import tables
from intellyhub_knative.platform.journal.store import Store

log = logging.getLogger("journal")

__all__ = ["SqliteStore"]

Answer = TypeVar("Answer")

_READING_THREADS = 3
_WAL_BYTES = 2 * 1024 * 1024
"""What the write-ahead log is made long from the beginning: it is begun anew after half of that."""


class SqliteStore(Store):
    """Writes are committed in the event loop's own thread: everything that arrived while the disk was busy becomes the
    next transaction, so that all of it shares one `fdatasync`, and no write pays for waking a thread. Questions that
    may take long are answered in threads of their own, each seeing one unchanging state."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(str(path), loop)
        connection = open_writer(path)
        try:
            tables.prepare(connection)
        except sqlite3.Error as fault:
            raise translate(fault, path) from fault
        lengthen_wal(path)
        self._writer = Writer(connection, SqliteFaults(path))
        self._reader = open_reader(path)
        self.now = self._reader
        self._readers = Readers(path)
        self._threads = ThreadPoolExecutor(_READING_THREADS, thread_name_prefix="journal-reader")

    async def read(self, question: Callable[[Connection], Answer], *, fresh: bool = True) -> Answer:
        """The answer to a question that may take long; it sees all that was written before."""
        if fresh:
            self.flush()
        return await self._loop.run_in_executor(self._threads, self._ask, question)

    def flush(self) -> None:
        """Commit what is there."""
        taken = self._take_queue()
        if taken:
            began = time.perf_counter()
            self._writer.commit([write for write, _ in taken])
            self.commits.observe(len(taken), time.perf_counter() - began)
            self._land(taken)

    async def settle(self) -> None:
        """Commit what is there."""
        self.flush()

    async def close(self) -> None:
        """Commit what is there and close."""
        self.flush()
        self._threads.shutdown(cancel_futures=True)
        self._readers.close()
        self._reader.close()
        self._writer.close()

    def _plan_flush(self) -> None:
        if not self._flush_planned:
            self._flush_planned = True
            self._loop.call_soon(self.flush)

    def _ask(self, question: Callable[[Connection], Answer]) -> Answer:
        with self._readers.reading() as connection:
            return question(connection)


def lengthen_wal(path: Path) -> None:
    """Make the write-ahead log as long as it is going to be, with zeros behind what it holds: a commit that makes a
    file longer takes nearly twice as long. SQLite reads frames up to the first whose checksum is wrong, so zeros mean
    nothing to it (https://sqlite.org/fileformat2.html#the_write_ahead_log). A full disk leaves it as it is."""
    try:
        descriptor = os.open(f"{path}-wal", os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        end = os.fstat(descriptor).st_size
        if end < _WAL_BYTES:
            os.pwrite(descriptor, bytes(_WAL_BYTES - end), end)
            os.fsync(descriptor)
    except OSError as fault:
        log.warning("no room to prepare the write-ahead log (%s)", fault.strerror)
    finally:
        os.close(descriptor)
