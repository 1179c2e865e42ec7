"""How many children wait: spares as many as flows were woken within a second lately, and always one; some bare ones."""

from __future__ import annotations

from collections import deque

__all__ = ["BARE", "MOST", "Reserve"]

MOST = 8
"""A spare takes some megabytes; who comes after the last one gets a bare child, and then waits for a fork."""
BARE = 3
"""A bare child takes little; it answers a few milliseconds later than a spare."""
WINDOW_SECONDS = 1.0
MEMORY_SECONDS = 30.0
"""For how long a burst is remembered."""


class Reserve:
    """Hears of each start of a worker. Times are `time.monotonic()`."""

    def __init__(self) -> None:
        self._starts: deque[float] = deque(maxlen=MOST)
        self._peak = 1
        self._until = 0.0

    def note(self, now: float) -> None:
        """A worker is started."""
        self._starts.append(now)
        while self._starts[0] < now - WINDOW_SECONDS:
            self._starts.popleft()
        if len(self._starts) >= self.wanted(now):
            self._peak, self._until = len(self._starts), now + MEMORY_SECONDS

    def wanted(self, now: float) -> int:
        """How many spares there should be."""
        return self._peak if now < self._until else 1
