"""Settlements on their way to the journal, many in one commit."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from intellyhub_engine.errors import InputInvalid, JournalError
from intellyhub_knative.platform.broker.journal import BrokerJournal
from intellyhub_knative.platform.outbox import Settlement

__all__ = ["Settling"]

LOG = logging.getLogger(__name__)
MOST_AT_ONCE = 200
PAUSE_SECONDS = 0.5
"""Before the journal is asked again, after it could not be reached or was full."""


class Settling:
    """While one commit is made, the settlements for the next one gather."""

    def __init__(self, journal: BrokerJournal) -> None:
        self._journal = journal
        self._waiting: deque[tuple[Settlement, asyncio.Future[None]]] = deque()
        self._wake = asyncio.Event()

    async def settle(self, settlement: Settlement) -> None:
        """Returns when the settlement is durable."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((settlement, done))
        self._wake.set()
        await done

    async def run(self) -> None:
        """Commit what comes, until cancelled. Nothing is dropped when the journal is away: it is tried again."""
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
            await self._commit([settlement for settlement, _ in batch])
            for _, done in batch:
                if not done.done():
                    done.set_result(None)

    async def _commit(self, settlements: list[Settlement]) -> None:
        while True:
            try:
                await self._journal.settle(settlements)
                return
            except JournalError as fault:
                LOG.warning("%d settlements wait for the journal: %s", len(settlements), fault)
                await asyncio.sleep(PAUSE_SECONDS)
            except InputInvalid as fault:
                if len(settlements) > 1:  # one of them has a reply that cannot be kept: the others can
                    for settlement in settlements:
                        await self._commit([settlement])
                    return
                LOG.warning("the reply to the delivery %d is lost: %s", settlements[0].delivery_id, fault)
                settlements = [settlements[0]._replace(reply=None, error=f"its reply cannot be kept: {fault}")]
