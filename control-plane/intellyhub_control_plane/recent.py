"""What was asked a moment ago and need not be asked again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Recent"]

Answer = TypeVar("Answer")
MOST_KEPT = 2000


class Recent(Generic[Answer]):
    """Answers by key, each good for `seconds`. Thread-safe. While one asks anew, others are given the answer of before,
    until it is twice as old; where there is none, they ask too."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._kept: dict[str, tuple[float, Answer]] = {}
        self._asking: set[str] = set()
        self._lock = threading.Lock()

    def get(self, key: str, ask: Callable[[], Answer]) -> Answer:
        """The answer, asked for where it is not known or too old. What `ask` raises is not kept."""
        kept = self._kept.get(key)
        if kept is not None:
            age = time.monotonic() - kept[0]
            if age < self.seconds or (age < 2 * self.seconds and key in self._asking):
                return kept[1]
        self._asking.add(key)
        try:
            answer = ask()
        finally:
            self._asking.discard(key)
        with self._lock:
            self._kept.pop(key, None)  # so that the oldest stand first
            self._kept[key] = (time.monotonic(), answer)
            self._drop_old()
        return answer

    def forget(self) -> None:
        """Ask anew from now on."""
        with self._lock:
            self._kept.clear()

    def _drop_old(self) -> None:
        """What nobody will be given any more, and what is too much."""
        oldest_useful = time.monotonic() - 2 * self.seconds
        while len(self._kept) > MOST_KEPT or next(iter(self._kept.values()))[0] < oldest_useful:
            del self._kept[next(iter(self._kept))]
