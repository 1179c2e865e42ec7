"""A few threads that make the turns of many sources, each at its time."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import Counter
from typing import Protocol

__all__ = ["Turns"]

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
"""The clock is looked at so often, because it can be set."""
JUMP_SECONDS = 2.0
CROWDED_SECONDS = 0.05
FAULT_SECONDS = 60.0


class Turning(Protocol):
    """Something that wants turns."""

    tenant_id: str

    def turn(self) -> int | None:
        """Do what is due; when to come again (Unix nanoseconds), None for never."""
        ...


class Turns:
    """`workers` daemon threads; at most `most_of_a_tenant` of them work for one tenant."""

    def __init__(self, name: str, workers: int, *, most_of_a_tenant: int) -> None:
        self._heap: list[tuple[int, int, Turning]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._busy: Counter[str] = Counter()
        self._most_of_a_tenant = most_of_a_tenant
        self._offset = time.time() - time.monotonic()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def add(self, turning: Turning) -> None:
        """It gets its first turn at once."""
        with self._changed:
            heapq.heappush(self._heap, (0, next(self._numbers), turning))
            self._changed.notify()

    def hurry(self) -> None:
        """Give everyone a turn now: something was told to stop."""
        with self._changed:
            self._hurry()

    def stop(self, seconds: float) -> None:
        """End the threads; those that are in the middle of a turn are left after a while."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        ends = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))

    def _work(self) -> None:
        while (turning := self._next()) is not None:
            try:
                again_ns = turning.turn()
            except Exception:
                LOG.exception("a turn met a fault of the host")
                again_ns = time.time_ns() + int(FAULT_SECONDS * 1e9)
            with self._changed:
                self._busy[turning.tenant_id] -= 1
                if again_ns is not None:
                    heapq.heappush(self._heap, (again_ns, next(self._numbers), turning))
                    self._changed.notify()

    def _next(self) -> Turning | None:
        """Wait for the next turn; None when it is time to end."""
        with self._changed:
            while not self._stopping:
                self._watch_clock()
                now_ns = time.time_ns()
                if not self._heap or self._heap[0][0] > now_ns:
                    seconds = (self._heap[0][0] - now_ns) / 1e9 if self._heap else LOOK_SECONDS
                    self._changed.wait(min(seconds, LOOK_SECONDS))
                    continue
                _, number, turning = heapq.heappop(self._heap)
                if self._busy[turning.tenant_id] >= self._most_of_a_tenant:
                    heapq.heappush(self._heap, (now_ns + int(CROWDED_SECONDS * 1e9), number, turning))
                    continue
                self._busy[turning.tenant_id] += 1
                return turning
            return None

    def _watch_clock(self) -> None:
        """When the clock was set, what was due at a time of the old one has to be asked again."""
        offset = time.time() - time.monotonic()
        if abs(offset - self._offset) > JUMP_SECONDS:
            LOG.warning("the clock was set by %.1f s", offset - self._offset)
            self._offset = offset
            self._hurry()

    def _hurry(self) -> None:
        self._heap = [(0, number, turning) for _, number, turning in self._heap]
        heapq.heapify(self._heap)
        self._changed.notify_all()
