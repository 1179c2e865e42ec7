"""How many events a source may make: a burst, then so many a second. A feed that a stranger writes cannot flood."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Pace"]

EVENTS_A_SECOND = 50.0
BURST = 500.0


class Pace:
    """A token bucket."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tokens = BURST
        self._filled_at = clock()

    def take(self) -> float:
        """Count one event; seconds to wait before the next one."""
        now = self._clock()
        self._tokens = min(BURST, self._tokens + (now - self._filled_at) * EVENTS_A_SECOND) - 1
        self._filled_at = now
        return max(0.0, -self._tokens / EVENTS_A_SECOND)
