"""The live stream: what is recorded, to everyone who watches.

A watcher first gets what is stored behind its place, in pages, then what is committed, as it is committed. There is
one reading for all watchers after each commit. One that reads too slowly is not waited for: it goes back to pages.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

from intellyhub_engine.errors import EngineError
from intellyhub_engine.journal.sql import Connection
from intellyhub_engine.journal.wire import Answer, Kind, join
from intellyhub_knative.platform.journal import reading
from intellyhub_knative.platform.journal.store import Store

__all__ = ["Feed", "Listener", "Watch"]

_PAGE_BYTES = 256 * 1024


class Listener(Protocol):
    """The connection of someone who watches."""

    def reply(self, frame_id: int, kind: Kind, answer: Answer) -> None:
        """Send something; never waits."""

    def reply_all(self, parts: Sequence[tuple[int, Answer]]) -> None:
        """Send parts of several answers at once."""

    @property
    def is_behind(self) -> bool:
        """Whether much of what was sent has not been read."""

    async def caught_up(self) -> None:
        """Return when it has; raise `ConnectionError` when it is gone."""


class Watch:
    """One watcher of one run, or of the flows under a prefix."""

    def __init__(self, listener: Listener, frame_id: int, *, run_id: str | None, under: str | None, after: int) -> None:
        self.listener = listener
        self.frame_id = frame_id
        self.run_id = run_id
        self.under = under
        self.after = after
        """The last record it has got."""
        self.task: asyncio.Task[None] | None = None

    @property
    def topic(self) -> str:
        """What it watches, as the feed finds it: a run's id, or a prefix with a mark before it."""
        return self.run_id if self.run_id is not None else f"\0{self.under}"

    def show(self, row: list[Any], body: bytes) -> tuple[int, Answer]:
        """One record, to be sent."""
        self.after = row[0]
        return self.frame_id, Answer(([row], self.after), body)

    def send(self, rows: list[Any], bodies: list[bytes], until: int) -> None:
        """Hand over records, and say up to which number that is all."""
        self.after = until
        self.listener.reply(self.frame_id, Kind.PART, Answer((rows, until), join(bodies)))


class Feed:
    """All watchers of the service."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._live: defaultdict[str, dict[int, Watch]] = defaultdict(dict)
        self._prefixes: set[str] = set()
        self._sent = 0
        """The newest record that live watchers have got."""
        store.after_commit.append(self.publish)

    def add(self, watch: Watch) -> None:
        """Begin to send; `after` -1 means from now on."""
        if not self._live:
            self._sent = reading.newest_record(self._store.now)
        if watch.after < 0:
            watch.send([], [], self._sent)
        self._start(watch)

    def remove(self, watch: Watch) -> None:
        """Stop sending."""
        if watch.task is not None:
            watch.task.cancel()
        self._leave(watch)

    def publish(self) -> None:
        """Send what was committed since the last time."""
        if not self._live:
            return
        after = self._sent
        self._sent = newest = reading.newest_record(self._store.now)
        while after < newest:
            rows, bodies, after = reading.records_after(
                self._store.now, after, newest, run_id=None, under="", max_bytes=_PAGE_BYTES, with_children=True
            )
            parts: defaultdict[Listener, list[tuple[int, Answer]]] = defaultdict(list)
            for (number, run_id, flow, parent_id), body in zip(rows, bodies, strict=True):
                for watch in self._watches_of(run_id, flow if parent_id is None else None):
                    if watch.listener.is_behind:
                        self._leave(watch)
                        self._start(watch)
                    elif number > watch.after:
                        parts[watch.listener].append(watch.show([number, run_id, flow], body))
            for listener, shown in parts.items():
                listener.reply_all(shown)

    def _watches_of(self, run_id: str, flow: str | None) -> list[Watch]:
        watches = list(self._live[run_id].values()) if run_id in self._live else []
        if flow is not None:
            for prefix in self._prefixes:
                if flow.startswith(prefix):
                    watches += self._live[f"\0{prefix}"].values()
        return watches

    def _start(self, watch: Watch) -> None:
        watch.task = asyncio.get_running_loop().create_task(self._catch_up(watch))

    async def _catch_up(self, watch: Watch) -> None:
        """Send what is stored, until nothing has been committed meanwhile; then join those who are live."""
        try:
            while True:
                await watch.listener.caught_up()
                until = await self._send_page(watch)
                # With others live, all that is newer comes with theirs; a far database need not be asked.
                if until >= (self._sent if self._live else reading.newest_record(self._store.now)):
                    break
        except EngineError as fault:
            watch.listener.reply(watch.frame_id, Kind.ERROR, Answer(fault))
            return
        except ConnectionError:
            return
        if not self._live:
            self._sent = until
        self._live[watch.topic][id(watch)] = watch
        if watch.under is not None:
            self._prefixes.add(watch.under)

    async def _send_page(self, watch: Watch) -> int:
        def read(connection: Connection) -> tuple[list[Any], list[bytes], int]:
            newest = reading.newest_record(connection)
            return reading.records_after(
                connection, watch.after, newest, run_id=watch.run_id, under=watch.under, max_bytes=_PAGE_BYTES
            )

        rows, bodies, until = await self._store.read(read)
        watch.send(rows, bodies, until)
        return until

    def _leave(self, watch: Watch) -> None:
        watches = self._live.get(watch.topic)
        if watches is None:
            return
        watches.pop(id(watch), None)
        if not watches:
            del self._live[watch.topic]
            self._prefixes.discard(watch.under or "")
