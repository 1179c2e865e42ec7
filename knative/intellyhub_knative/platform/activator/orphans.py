"""Tells the journal which workers have died, so that their runs go on at once instead of after their leases' end."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from intellyhub_engine.errors import EngineError

__all__ = ["Orphans"]

LOG = logging.getLogger(__name__)
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
GIVE_UP_SECONDS = 60.0
"""Leases have ended by themselves by then, twice."""


class Mourner(Protocol):
    """The part of the journal's client that is needed."""

    async def orphan(self, owner: str, *, error: str | None) -> object:
        """End the leases of an owner; with an error its runs fail."""


class Orphans:
    """Each death is told until the journal has heard it."""

    def __init__(self, journal: Mourner) -> None:
        self._journal = journal
        self._tasks: set[asyncio.Task[None]] = set()

    def report(self, owner: str, error: str | None) -> None:
        """A worker has died."""
        task = asyncio.get_running_loop().create_task(self._tell(owner, error))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, owner: str, error: str | None) -> None:
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + GIVE_UP_SECONDS, FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._journal.orphan(owner, error=error)
                return
            except EngineError as fault:
                if loop.time() > until:
                    LOG.error("the journal did not hear that %s ended: %s", owner, fault)  # noqa: TRY400
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def settle(self, patience_seconds: float) -> None:
        """Wait until the journal has heard everything, within bounds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience_seconds)
