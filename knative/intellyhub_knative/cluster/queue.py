"""What is to be looked at, each thing once at a time, again after a fault, never two of one kind at once."""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["WorkQueue"]

LOG = logging.getLogger(__name__)
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

Key = TypeVar("Key", bound=Hashable)
Work = Callable[[Key], Awaitable[float | None]]
"""Does what is to be done for a key; gives the seconds after which it wants to be called again, or None. What it raises
is logged, and it is called again after a pause that doubles each time."""


class WorkQueue(Generic[Key]):
    """A queue of keys with their times. Used in one event loop."""

    def __init__(
        self,
        work: Work[Key],
        *,
        workers: int = 4,
        is_passing: Callable[[Exception], bool] = lambda _: False,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
        longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        self._work = work
        self._workers = workers
        self._is_passing = is_passing
        self._first_pause = first_pause_seconds
        self._longest_pause = longest_pause_seconds
        self._heap: list[tuple[float, int, Key]] = []
        self._due: dict[Key, float] = {}
        self._busy: set[Key] = set()
        self._faults: dict[Key, int] = {}
        self._count = 0
        self._changed = asyncio.Event()

    def add(self, key: Key, after_seconds: float = 0.0) -> None:
        """Have a key looked at, at the earliest time that anyone asked for."""
        due = asyncio.get_running_loop().time() + after_seconds
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            self._count += 1
            heapq.heappush(self._heap, (due, self._count, key))
            self._changed.set()

    @property
    def waiting(self) -> int:
        """Keys whose time has come and that nobody looks at."""
        now = asyncio.get_running_loop().time()
        return sum(due <= now for due in self._due.values())

    @property
    def failing(self) -> int:
        """Keys whose last attempt raised."""
        return len(self._faults)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._workers):
                tasks.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            key = await self._take()
            try:
                again = await self._work(key)
            except Exception as fault:  # noqa: BLE001 - one broken key stops no other; it is logged
                self._put_off(key, fault)
            else:
                self._faults.pop(key, None)
                if again is not None:
                    self.add(key, again)
            finally:
                self._busy.discard(key)
                self._changed.set()

    def _put_off(self, key: Key, fault: Exception) -> None:
        self._faults[key] = count = self._faults.get(key, 0) + 1
        pause = min(self._longest_pause, self._first_pause * 2 ** min(count - 1, 20)) * random.uniform(0.8, 1.2)
        known = self._is_passing(fault)
        LOG.warning("%s: attempt %d, again in %.1f s: %s", key, count, pause, fault, exc_info=None if known else fault)
        self.add(key, pause)

    async def _take(self) -> Key:
        while True:
            self._changed.clear()
            now = asyncio.get_running_loop().time()
            wait = self._look(now)
            if not isinstance(wait, float):
                return wait[0]
            try:
                async with asyncio.timeout(None if wait == float("inf") else wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _look(self, now: float) -> tuple[Key] | float:
        """The first key that is due and that nobody works on, or the seconds until one may be."""
        held: list[tuple[float, int, Key]] = []
        found: tuple[Key] | float = float("inf")
        while self._heap:
            due, number, key = heapq.heappop(self._heap)
            if self._due.get(key) != due:
                continue  # it was taken, or is due earlier
            if due > now:
                held.append((due, number, key))
                found = due - now
                break
            if key in self._busy:
                held.append((due, number, key))  # whoever works on it tells when it is free
                continue
            del self._due[key]
            self._busy.add(key)
            found = (key,)
            break
        for each in held:
            heapq.heappush(self._heap, each)
        if isinstance(found, tuple) and self._heap:
            self._changed.set()  # for the next worker
        return found
