"""One reading of the journal for many watchers.

A channel holds the last messages of its topic. Each watcher keeps a place of its own among them, so that a thousand
watchers cost one reading and no copies. Who falls out behind is dropped, and comes back with the id it got last. The
reading waits for the fastest watcher, so that a long history is not read faster than anybody takes it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable
from itertools import islice

__all__ = ["Channel", "Dropped"]

MAX_MESSAGES = 1000
MAX_BYTES = 2 << 20


class Dropped(Exception):
    """The watcher is too slow: what comes next for it is no longer held."""


class Channel:
    """The messages of one topic from a place on."""

    def __init__(self, after: int) -> None:
        self.floor = after
        """Whoever has got this index finds all that follows here."""
        self.watchers = 0
        self.over = False
        """Nothing more will come."""
        self._held: deque[tuple[int, bytes]] = deque()
        self._held_bytes = 0
        self._first = 0
        """The number of the first held message."""
        self._furthest = 0
        """The number that the fastest watcher wants next."""
        self._moved = asyncio.Event()

    async def run(self, messages: AsyncIterable[tuple[int, bytes]]) -> None:
        """Read until there is no more. What is raised by the reading ends the channel."""
        try:
            async for index, message in messages:
                await self._make_room(len(message))
                self._held.append((index, message))
                self._held_bytes += len(message)
                self._wake()
        finally:
            self.over = True
            self._wake()

    def join(self, after: int) -> int:
        """The number of the first message behind an index that is not below `floor`."""
        skipped = sum(1 for index, _ in self._held if index <= after)
        return self._first + skipped

    async def take(self, number: int, seconds: float) -> list[bytes]:
        """The messages from a number on: none when nothing came within `seconds`, or when it is over. Raises
        `Dropped`."""
        if number >= self._end and not self.over:
            try:
                async with asyncio.timeout(seconds):
                    while number >= self._end and not self.over:
                        await self._moved.wait()
            except TimeoutError:
                return []
        if number < self._first:
            raise Dropped
        return [message for _, message in islice(self._held, number - self._first, None)]

    def took(self, number: int) -> None:
        """A watcher wants this number next."""
        if number > self._furthest:
            self._furthest = number
            self._wake()

    @property
    def _end(self) -> int:
        return self._first + len(self._held)

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def _make_room(self, size: int) -> None:
        while self._held and (len(self._held) >= MAX_MESSAGES or self._held_bytes + size > MAX_BYTES):
            if self._furthest > self._first:
                index, message = self._held.popleft()
                self.floor = index
                self._first += 1
                self._held_bytes -= len(message)
            else:
                await self._moved.wait()
