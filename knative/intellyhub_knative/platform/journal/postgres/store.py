"""The database behind a network: what the platform on a cluster has."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from intellyhub_engine.journal.groups import Write
from intellyhub_engine.journal.sql import Connection
from intellyhub_engine.journal.writer import Writer
from intellyhub_knative.platform.journal.postgres.connection import NowConnection, PgConnection, Readers
from intellyhub_knative.platform.journal.postgres.faults import PostgresFaults
from intellyhub_knative.platform.journal.postgres.ownership import take_ownership
from intellyhub_knative.platform.journal.store import DatabaseLost, Store

__all__ = ["PostgresStore", "open_store"]

Answer = TypeVar("Answer")

_READING_THREADS = 4
_TELLING_SECONDS = 0.02
"""Watchers are shown what was committed at most so often: each time costs two questions."""


async def open_store(url: str, stop: threading.Event) -> PostgresStore:
    """The store, once this process owns the journal. Raises `Stopped`, `JournalUnwritable`."""
    loop = asyncio.get_running_loop()

    def open_all() -> tuple[PgConnection, NowConnection]:
        writing = take_ownership(url, stop)
        try:
            return writing, NowConnection(url)
        except BaseException:
            writing.close()
            raise

    writing, now = await loop.run_in_executor(None, open_all)
    return PostgresStore(url, writing, now, loop)


class PostgresStore(Store):
    """Writes are committed in a thread of their own, one transaction at a time; what arrives meanwhile is the next."""

    is_near = False

    def __init__(self, url: str, writing: PgConnection, now: NowConnection, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__("the journal's database", loop)
        self._writing = writing
        self._now = now
        self.now = now
        self._writer = Writer(writing, PostgresFaults())
        self._readers = Readers(url)
        self._committing: asyncio.Task[None] | None = None
        self._writing_thread = ThreadPoolExecutor(1, thread_name_prefix="journal-writer")
        self._reading_threads = ThreadPoolExecutor(_READING_THREADS, thread_name_prefix="journal-reader")
        self._lost: asyncio.Future[Exception] = loop.create_future()
        self._telling_planned = False

    async def read(self, question: Callable[[Connection], Answer], *, fresh: bool = True) -> Answer:
        """The answer to a question; it sees all that was submitted before, unless `fresh` is False."""
        if fresh and (self._queue or self._committing is not None):
            await self.settle()
        try:
            return await self._loop.run_in_executor(self._reading_threads, self._readers.ask, question)
        except DatabaseLost as fault:
            self._lose(fault)
            raise

    async def settle(self) -> None:
        """Commit what is there. Raises `DatabaseLost`."""
        if not self._lost.done():
            committed: asyncio.Future[None] = self._loop.create_future()
            self.submit(Write(durable=True), lambda _: committed.set_result(None))
            waited: set[asyncio.Future[Any]] = {committed, self._lost}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if committed.done():
                return
        raise DatabaseLost("the journal's database is lost")

    async def close(self) -> None:
        """Commit what is there and close."""
        if not self._lost.done():
            await self.settle()
        await self._loop.run_in_executor(None, self._close)

    def _close(self) -> None:
        self._writing_thread.shutdown(cancel_futures=True)
        self._reading_threads.shutdown(cancel_futures=True)
        self._readers.close()
        self._now.close()
        self._writing.close()

    def _plan_flush(self) -> None:
        if self._committing is None and not self._lost.done():
            self._committing = self._loop.create_task(self._commit_all())

    async def _commit_all(self) -> None:
        """Commit until nobody waits."""
        try:
            while taken := self._take_queue():
                began = time.perf_counter()
                await self._loop.run_in_executor(
                    self._writing_thread, self._writer.commit, [write for write, _ in taken]
                )
                self.commits.observe(len(taken), time.perf_counter() - began)
                self._land(taken)
                if not any(landed is not None for _, landed in self._queue):
                    break  # what is left comes with the next, or when the disk has room
        except Exception as fault:  # noqa: BLE001 - whatever it is, nobody knows what was committed
            self._lose(fault)
        finally:
            self._committing = None

    def _tell_watchers(self) -> None:
        if not self._telling_planned:
            self._telling_planned = True
            self._loop.call_later(_TELLING_SECONDS, self._tell_now)

    def _tell_now(self) -> None:
        self._telling_planned = False
        if self._lost.done():
            return
        try:
            super()._tell_watchers()
        except DatabaseLost as fault:
            self._lose(fault)

    def _lose(self, fault: Exception) -> None:
        if not self._lost.done():
            self._lost.set_result(fault)
            self.on_lost(fault)
