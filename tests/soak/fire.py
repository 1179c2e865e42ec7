"""Who shoots: a thread that kills one process of the platform after the other, at random."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from tests.soak.platform import Platform

__all__ = ["Fire"]

TARGETS = ("worker", "worker", "journal", "activator", "broker", "sources", "control", "gateway")
"""Workers twice as often: they are what a run lives in."""


class Fire:
    """Kills with SIGKILL, at random intervals, while its context lasts. `kills` counts by name."""

    def __init__(
        self,
        platform: Platform,
        *,
        pause_seconds: tuple[float, float],
        seed: int,
        targets: Sequence[str] = TARGETS,
    ) -> None:
        self.platform = platform
        self._targets = targets
        self.kills: Counter[str] = Counter()
        self._pause_seconds = pause_seconds
        self._random = random.Random(seed)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._shoot, name="fire")

    def __enter__(self) -> Fire:
        self._thread.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _shoot(self) -> None:
        while not self._stopping.wait(self._random.uniform(*self._pause_seconds)):
            target = self._random.choice(self._targets)
            pid = self._find(target)
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.kills[target] += 1

    def _find(self, target: str) -> int | None:
        if target != "worker":
            return self.platform.processes().get(target)
        workers = self.platform.workers()
        return self._random.choice(workers) if workers else None
