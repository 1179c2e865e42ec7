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
    """Answers by key, each good for `seconds`. Thread-safe; two who ask at once may both be let through."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._kept: dict[str, tuple[float, Answer]] = {}
        self._lock = threading.Lock()

    def get(self, key: str, ask: Callable[[], Answer]) -> Answer:
        """The answer, asked for where it is not known or too old. What `ask` raises is not kept."""
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept[0] < self.seconds:
            return kept[1]
        answer = ask()
        with self._lock:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = (time.monotonic(), answer)
        return answer

    def forget(self) -> None:
        """Ask anew from now on."""
        with self._lock:
            self._kept.clear()
