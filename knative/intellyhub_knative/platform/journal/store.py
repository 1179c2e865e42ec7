"""The database as the service holds it: one writer, which commits whatever came together, and readers beside it."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

from intellyhub_engine.errors import JournalFull
from intellyhub_engine.journal.groups import Write
from intellyhub_engine.journal.sql import Connection
from intellyhub_engine.journal.writer import Operation

log = logging.getLogger("journal")

__all__ = ["DatabaseLost", "Landed", "Queued", "Store"]

Answer = TypeVar("Answer")
Landed = Callable[[Write], None]
Queued = tuple[Write, Landed | None]

_RIDING_SECONDS = 0.01
"""How long what nobody waits for stays in memory when nothing else is committed: watchers see it then."""
_FULL_PAUSE_SECONDS = 1.0


class DatabaseLost(ConnectionError):
    """The database is gone, or is somebody else's: nobody knows what became of what was being written."""


class Commits:
    """Counts commits, for metrics."""

    def __init__(self) -> None:
        self.count = 0
        self.writes = 0
        self.seconds = 0.0

    def observe(self, writes: int, seconds: float) -> None:
        """One commit of so many writes."""
        self.count += 1
        self.writes += writes
        self.seconds += seconds


class Store(ABC):
    """Everything that arrived while the database was busy becomes the next transaction, so that all of it shares one
    commit. What is submitted here is done in that order; `now` and `read` see what is committed."""

    is_near = True
    """Whether a question by a key takes microseconds, so that it may be asked in the event loop."""
    now: Connection
    """For questions that take little, asked in the event loop."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        """How messages call it."""
        self._loop = loop
        self._queue: list[Queued] = []
        self._flush_planned = False
        self._ride_planned = False
        self._is_full = False
        self.after_commit: list[Callable[[], None]] = []
        """Called after every commit."""
        self.on_lost: Callable[[Exception], None] = lambda _: None
        """Called once, when the database is lost."""
        self.commits = Commits()

    @abstractmethod
    async def read(self, question: Callable[[Connection], Answer], *, fresh: bool = True) -> Answer:
        """The answer to a question that may take long; it sees all that was submitted before, unless `fresh` is False:
        then all that is committed."""

    @abstractmethod
    async def settle(self) -> None:
        """Commit what is there."""

    @abstractmethod
    async def close(self) -> None:
        """Commit what is there and close."""

    @abstractmethod
    def _plan_flush(self) -> None:
        """See to it that what is queued is committed soon."""

    def submit(self, write: Write, landed: Landed | None) -> None:
        """Commit the write together with all that comes now, then call `landed` with it; without, when something else
        is committed, or soon."""
        self._queue.append((write, landed))
        if landed is not None:
            self._plan_flush()
        elif not self._ride_planned:
            self._ride_planned = True
            self._loop.call_later(_RIDING_SECONDS, self._plan_flush)

    def operate(self, perform: Callable[[Connection], Answer]) -> asyncio.Future[Answer]:
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

    def _take_queue(self) -> list[Queued]:
        self._flush_planned = self._ride_planned = False
        taken, self._queue = self._queue, []
        return taken

    def _land(self, taken: Sequence[Queued]) -> None:
        """Tell who waits, after a commit."""
        is_full, undone = False, []
        for write, landed in taken:
            is_full = is_full or isinstance(write.fault, JournalFull)
            if not write.done:
                undone.append((write, landed))  # the disk is full, and nobody waits for it
            elif landed is not None:
                landed(write)
        self._queue[:0] = undone
        self._watch_room(is_full=is_full or bool(undone))
        self._tell_watchers()

    def _tell_watchers(self) -> None:
        for tell in self.after_commit:
            tell()

    def _watch_room(self, *, is_full: bool) -> None:
        """Say when the disk becomes full and when it has room again; try again meanwhile with what is left over."""
        if is_full != self._is_full:
            self._is_full = is_full
            if is_full:
                log.error("no room on the disk of %s: nothing new is accepted until there is", self.name)
            else:
                log.warning("there is room again on the disk of %s", self.name)
        if self._queue and not self._ride_planned:
            self._ride_planned = True
            self._loop.call_later(_FULL_PAUSE_SECONDS, self._plan_flush)
