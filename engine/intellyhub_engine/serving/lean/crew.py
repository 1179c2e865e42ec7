"""The threads that serve connections: as many as there are connections, and a few that wait for the next one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

__all__ = ["Crew"]

MAX_SPARE = 8
SPARE_SECONDS = 10.0

Work = Callable[[], None]


class Crew:
    """Runs each piece of work in a thread at once: one that waits, or a new one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spare = 0
        """Threads that wait and have not been promised anything."""
        self._dismissed = False
        self._queue: SimpleQueue[Work | None] = SimpleQueue()

    def take(self, work: Work) -> None:
        """Start a piece of work. Raises RuntimeError when the system gives no more threads."""
        with self._lock:
            if self._spare:
                self._spare -= 1
                self._queue.put(work)
                return
        threading.Thread(target=self._live, args=(work,), name="connection", daemon=True).start()

    def dismiss(self) -> None:
        """Let the waiting threads go, and those at work when they are done."""
        with self._lock:
            self._dismissed = True
            for _ in range(self._spare):
                self._queue.put(None)
            self._spare = 0

    def _live(self, work: Work) -> None:
        following: Work | None = work
        while following is not None:
            following()
            following = self._wait()

    def _wait(self) -> Work | None:
        with self._lock:
            if self._spare >= MAX_SPARE or self._dismissed:
                return None
            self._spare += 1
        try:
            return self._queue.get(timeout=SPARE_SECONDS)
        except Empty:
            with self._lock:
                if self._spare:
                    self._spare -= 1
                    return None
            return self._queue.get()  # promised in the same moment
