"""How fast something may go, for each of many: a bucket of tokens that fills at an even rate."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

__all__ = ["Pace"]

MAX_BUCKETS = 10_000


class Bucket(NamedTuple):
    level: float
    seen_seconds: float


class Pace:
    """Tokens for each name. Pure: the time comes in."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, name: str, tokens: int, now_seconds: float) -> float:
        """Take tokens. 0 when there were enough; else nothing is taken, and the answer is how many seconds to wait.
        A bucket that is full gives more than it holds, once: what is larger than it could else never pass."""
        level, seen = self._buckets.pop(name, Bucket(self._burst, now_seconds))
        level = min(self._burst, level + max(0.0, now_seconds - seen) * self._per_second)
        wanted = min(float(tokens), self._burst)
        enough = level >= wanted
        self._buckets[name] = Bucket(level - tokens if enough else level, now_seconds)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if enough else (wanted - level) / self._per_second
