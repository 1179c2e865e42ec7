"""The database as the service holds it: one writer, which commits whatever came together, and readers beside it."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from intellyhub_engine.errors import JournalFull
from intellyhub_engine.journal.database import Readers, open_reader, open_writer
from intellyhub_engine.journal.faults import translate
from intellyhub_engine.journal.groups import Write
from intellyhub_engine.journal.writer import Operation, Writer
from intellyhub_knative.platform.journal import tables

log = logging.getLogger("journal")

__all__ = ["Store"]

Answer = TypeVar("Answer")
Landed = Callable[[Write], None]

_RIDING_SECONDS = 0.01
"""How long what nobody waits for stays in memory when nothing else is committed: watchers see it then."""
_FULL_PAUSE_SECONDS = 1.0
_READING_THREADS = 3
_WAL_BYTES = 2 * 1024 * 1024
"""What the write-ahead log is made long from the beginning: it is begun anew after half of that."""


class Store:
    """Writes are committed in the event loop's own thread: everything that arrived while the disk was busy becomes the
    next transaction, so that all of it shares one `fdatasync`, and no write pays for waking a thread. Questions that
    may take long are answered in threads of their own, each seeing one unchanging state."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.path = path
        self._loop = loop
        connection = open_writer(path)
        try:
            tables.prepare(connection)
        except sqlite3.Error as fault:
            raise translate(fault, path) from fault
        lengthen_wal(path)
        self._writer = Writer(connection, path)
        self.now = open_reader(path)
        """For questions that take microseconds, asked in the event loop."""
        self._readers = Readers(path)
        self._threads = ThreadPoolExecutor(_READING_THREADS, thread_name_prefix="journal-reader")
        self._queue: list[tuple[Write, Landed | None]] = []
        self._flush_planned = False
        self._ride_planned = False
        self._is_full = False
        self.after_commit: list[Callable[[], None]] = []
        """Called after every commit."""

    def submit(self, write: Write, landed: Landed | None) -> None:
        """Commit the write together with all that comes now, then call `landed` with it; without, when something else
        is committed, or soon."""
        self._queue.append((write, landed))
        if landed is not None:
            self._plan_flush()
        elif not self._ride_planned:
            self._ride_planned = True
            self._loop.call_later(_RIDING_SECONDS, self.flush)

    def operate(self, perform: Callable[[sqlite3.Connection], Answer]) -> asyncio.Future[Answer]:
        """What `perform` answers, in a transaction that may hold other writes too."""
        future: asyncio.Future[Answer] = self._loop.create_future()

        def landed(write: Write) -> None:
            assert isinstance(write, Operation)
            if future.done():
                return
            if write.fault is not None:
                future.set_exception(write.fault)
            else:
                future.set_result(write.answer)

        self.submit(Operation(perform), landed)
        return future

    async def read(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """The answer to a question that may take long; it sees all that was written before."""
        self.flush()
        return await self._loop.run_in_executor(self._threads, self._ask, question)

    def flush(self) -> None:
        """Commit what is there."""
        self._flush_planned = self._ride_planned = False
        taken, self._queue = self._queue, []
        if not taken:
            return
        self._writer.commit([write for write, _ in taken])
        is_full = False
        for write, landed in taken:
            is_full = is_full or isinstance(write.fault, JournalFull)
            if not write.done:
                self._queue.append((write, landed))  # the disk is full, and nobody waits for it
            elif landed is not None:
                landed(write)
        self._watch_room(is_full=is_full or bool(self._queue))
        for tell in self.after_commit:
            tell()

    def close(self) -> None:
        """Commit what is there and close."""
        self.flush()
        self._threads.shutdown(cancel_futures=True)
        self._readers.close()
        self.now.close()
        self._writer.close()

    def _watch_room(self, *, is_full: bool) -> None:
        """Say when the disk becomes full and when it has room again; try again meanwhile with what is left over."""
        if is_full != self._is_full:
            self._is_full = is_full
            if is_full:
                log.error("no room on the disk of %s: nothing new is accepted until there is", self.path)
            else:
                log.warning("there is room again on the disk of %s", self.path)
        if self._queue and not self._ride_planned:
            self._ride_planned = True
            self._loop.call_later(_FULL_PAUSE_SECONDS, self.flush)

    def _plan_flush(self) -> None:
        if not self._flush_planned:
            self._flush_planned = True
            self._loop.call_soon(self.flush)

    def _ask(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
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
