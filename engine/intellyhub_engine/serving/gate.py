"""How many runs execute at a time, and that one event is worked on once at a time."""

from __future__ import annotations

import threading
from time import monotonic

from intellyhub_engine.serving.problems import Fault, RequestRefused

__all__ = ["Gate"]

Key = tuple[str, str]
RETRY = (("Retry-After", "1"),)


class Gate:
    """Turns for runs. A run that cannot have its turn in time is refused as retryable."""

    def __init__(self, *, concurrency: int, queue_seconds: float) -> None:
        self.in_flight = 0
        """Runs executing now, and those waiting for their turn."""
        self._free = concurrency or 1 << 62
        self._queue_seconds = queue_seconds
        self._lock = threading.Lock()
        self._place_is_free = threading.Condition(self._lock)
        self._waiting = 0
        self._working: dict[Key, threading.Event | None] = {}

    def enter(self, key: Key | None) -> None:
        """Take the event `key` (source, id), and a place. Wait for what is taken: the same event in two threads would
        be one run in two threads. `leave` must follow, unless this raises `RequestRefused`."""
        with self._lock:
            self.in_flight += 1
            if self._free and key not in self._working:
                self._take(key)
                return
        try:
            self._enter_later(key, monotonic() + self._queue_seconds)
        except RequestRefused:
            with self._lock:
                self.in_flight -= 1
            raise

    def leave(self, key: Key | None) -> None:
        """Let the next one in."""
        with self._lock:
            self.in_flight -= 1
            self._free += 1
            if self._waiting:
                self._place_is_free.notify()
            waited_for = self._working.pop(key, None) if key is not None else None
        if waited_for is not None:
            waited_for.set()

    def _take(self, key: Key | None) -> None:
        self._free -= 1
        if key is not None:
            self._working[key] = None

    def _enter_later(self, key: Key | None, deadline: float) -> None:
        while True:
            with self._lock:
                ended = self._end_of(key)
                if ended is None:
                    if self._free:
                        self._take(key)
                        return
                    if not self._wait(deadline - monotonic()):
                        raise RequestRefused(Fault.BUSY, "every place is taken; send the event again", headers=RETRY)
            if ended is not None and not ended.wait(deadline - monotonic()):
                raise RequestRefused(Fault.IN_FLIGHT, "the same event is being worked on; send it again", headers=RETRY)

    def _wait(self, seconds: float) -> bool:
        self._waiting += 1
        try:
            return self._place_is_free.wait(seconds)
        finally:
            self._waiting -= 1

    def _end_of(self, key: Key | None) -> threading.Event | None:
        """What will be set when whoever has the event lets it go; None when nobody has it."""
        if key is None or key not in self._working:
            return None
        ended = self._working[key] or threading.Event()
        self._working[key] = ended
        return ended
