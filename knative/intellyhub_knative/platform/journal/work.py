"""Telling the broker that there is something to do, the moment there is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from intellyhub_knative.platform.journal import deliveries, listing
from intellyhub_knative.platform.journal.store import Store

__all__ = ["Work"]

_SECOND_NS = 1_000_000_000


class Work:
    """Counts what brings work. Who waits says which count it has seen and until when it has looked, so that nothing
    that happens between two waits is missed."""

    def __init__(self, store: Store, now_ns: Callable[[], int]) -> None:
        self._store = store
        self._now_ns = now_ns
        self._count = now_ns()  # differs from every count of an earlier process
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """Something was accepted, settled, given back."""
        self._count += 1
        self._stirred.set()
        self._stirred = asyncio.Event()

    async def wait(self, seen: tuple[int, int] | None, timeout_seconds: float) -> tuple[int, int]:
        """Return when the count is another one, when something becomes due that was not at the moment `seen`, or after
        `timeout_seconds`; what to say the next time."""
        now_ns = self._now_ns()
        if seen is None or seen[0] != self._count:
            return self._count, now_ns
        end_ns = now_ns + int(min(timeout_seconds, 60.0) * _SECOND_NS)
        while self._count == seen[0] and now_ns < end_ns:
            due_ns = self._next_due_ns(seen[1])
            if due_ns is not None and due_ns <= now_ns:
                break
            stirred = self._stirred
            try:
                until_ns = end_ns if due_ns is None else min(due_ns, end_ns)
                await asyncio.wait_for(stirred.wait(), (until_ns - now_ns) / _SECOND_NS + 0.001)
            except TimeoutError:
                pass
            now_ns = self._now_ns()
        return self._count, now_ns

    def _next_due_ns(self, after_ns: int) -> int | None:
        moments = (
            deliveries.next_due_ns(self._store.now, after_ns),
            listing.next_wake_ns(self._store.now, after_ns),
        )
        return min((moment for moment in moments if moment is not None), default=None)
