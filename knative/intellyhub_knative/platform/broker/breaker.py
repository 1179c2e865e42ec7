"""A Broker that is away is asked by one event at a time, at growing intervals; the first that it takes lets all on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["Breaker"]

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0
TAKEN_SECONDS = 8.0
"""A post without an answer for so long was taken: a Broker that is away says so at once, or lets nobody connect."""

Result = TypeVar("Result")


class Breaker:
    """For one Broker."""

    def __init__(self) -> None:
        self.failures = 0
        """In a row."""
        self._probing = asyncio.Lock()

    async def pass_through(self, post: Callable[[], Awaitable[Result]], is_away: Callable[[Result], bool]) -> Result:
        """What posting comes to; where the Broker was away, once it is this one's turn to try."""
        if not self.failures:
            return self._note(await post(), is_away, 0)
        async with self._probing:
            before = self.failures
            if before:
                pause = min(FIRST_PAUSE_SECONDS * 2 ** min(before - 1, 10), LONGEST_PAUSE_SECONDS)
                await asyncio.sleep(pause * random.uniform(0.9, 1.1))
            posting = asyncio.ensure_future(post())
            try:
                done, _ = await asyncio.wait((posting,), timeout=TAKEN_SECONDS)
            except asyncio.CancelledError:
                posting.cancel()
                raise
            if done:
                return self._note(posting.result(), is_away, before)
            self.failures = 0
        try:
            return self._note(await posting, is_away, 0)
        finally:
            posting.cancel()

    def _note(self, result: Result, is_away: Callable[[Result], bool], before: int) -> Result:
        """Many that fail together are one failure."""
        self.failures = max(self.failures, before + 1) if is_away(result) else 0
        return result
