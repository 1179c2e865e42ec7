"""What the connections of the service share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container
from typing import TYPE_CHECKING

from intellyhub_engine.journal.wire import MAX_FRAME_BYTES
from intellyhub_knative.platform.journal.access import Scope, Wards, recognise
from intellyhub_knative.platform.journal.feed import Feed
from intellyhub_knative.platform.journal.requests import Desk
from intellyhub_knative.platform.journal.store import Store
from intellyhub_knative.platform.journal.tidying import Tidying
from intellyhub_knative.platform.journal.work import Work
from intellyhub_knative.platform.keys import Keys

if TYPE_CHECKING:
    from intellyhub_knative.platform.journal.connection import Connection

__all__ = ["House"]

_FAREWELL_SECONDS = 1.0
"""For clients to read what they have been answered."""


class House:
    """The database, who watches it, who waits for work, who is connected. Made in a running event loop."""

    max_frame_bytes = MAX_FRAME_BYTES

    def __init__(self, store: Store, keys: Keys, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._keys = keys
        self.store = store
        self.desk = Desk(now_ns, Wards(), store.now)
        self.feed = Feed(store)
        self.work = Work(store, now_ns)
        self.tidying = Tidying(store, self.desk.wards, now_ns)
        self.connections: set[Connection] = set()
        self._is_closing = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        store.on_lost = self.lose
        self.lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        """Done when the database is no longer there: nobody knows what became of what was being written."""

    def recognise(self, token: str) -> Scope:
        """What a token is good for. Raises `JournalUnwritable`."""
        return recognise(token, self._keys)

    def enter(self, connection: Connection) -> None:
        """A client came."""
        self.connections.add(connection)
        self._is_empty.clear()
        if self._is_closing:
            connection.close()

    def leave(self, connection: Connection) -> None:
        """A client went."""
        self.connections.discard(connection)
        if not self.connections:
            self._is_empty.set()

    def lose(self, fault: Exception) -> None:
        """The database is gone. As after a `kill -9`, clients hear no answer, come again and repeat what had none: only
        so is nothing lost and nothing done twice."""
        self._is_closing = True
        for connection in list(self.connections):
            connection.abort()
        if not self.lost.done():
            self.lost.set_result(fault)

    def count(self, flow: str) -> int:
        """How many connections the workers of a flow have."""
        return sum(connection.flow == flow for connection in self.connections)

    def send_away(self, except_flows: Container[str]) -> None:
        """End the connections of flows that are no longer deployed."""
        for connection in list(self.connections):
            if connection.flow is not None and connection.flow not in except_flows:
                connection.close()

    async def close(self) -> None:
        """Commit, answer and close; clients ask the next process again."""
        self._is_closing = True
        if not self.lost.done():
            await self.store.settle()
        for connection in list(self.connections):
            connection.close()
        try:
            await asyncio.wait_for(self._is_empty.wait(), _FAREWELL_SECONDS)
        except TimeoutError:
            for connection in list(self.connections):
                connection.abort()
        await self.store.close()
