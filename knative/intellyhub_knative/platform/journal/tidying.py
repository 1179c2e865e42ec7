"""Keeping the database small: what is old or unwanted leaves in small batches, between which others write."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from intellyhub_engine.journal import keeping, retention
from intellyhub_engine.journal.sql import Connection
from intellyhub_knative.platform.journal import deliveries
from intellyhub_knative.platform.journal.access import Wards
from intellyhub_knative.platform.journal.store import Store

log = logging.getLogger("journal")

__all__ = ["Tidying"]

_DAY_NS = 86_400 * 1_000_000_000
_KEPT_EVENTS_NS = _DAY_NS
"""How long a delivered event is known as seen."""
_BATCH_RUNS, _BATCH_ROWS, _RETURNED_PAGES = 10, 200, 200
_PAUSE_SECONDS = 0.02
"""Between two batches, so that writers hardly notice."""
_FIRST_PASS_SECONDS = 20.0

_OLD_EVENTS = """
SELECT number FROM event WHERE routed = 1 AND accepted_ns < ? AND number > ?
    AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.event = event.number) ORDER BY number LIMIT ?
"""
_DELETE_EVENT = """
DELETE FROM event WHERE number = ? AND routed = 1
    AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.event = event.number)
    AND number < (SELECT max(number) FROM event)
"""
_OLD_LETTERS = "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE died_ns < ? LIMIT ?)"
_KEEP_NUMBER = "UPDATE record SET run = 0, body = '[]' WHERE run = ? AND number = (SELECT max(number) FROM record)"
_DROP_NUMBERS = "DELETE FROM record WHERE run = 0 AND number < (SELECT max(number) FROM record)"
_RUNS_OF = "SELECT run_id FROM run WHERE parent_id IS NULL AND flow = ? LIMIT ?"


class Tidying:
    """Deletes what nobody needs any more."""

    def __init__(self, store: Store, wards: Wards, now_ns: Callable[[], int]) -> None:
        self._store = store
        self._wards = wards
        self._now_ns = now_ns

    async def keep_small(self, *, retention_days: float, keep: int, every_seconds: float) -> None:
        """Prune again and again, for as long as the service lives."""
        pause = min(_FIRST_PASS_SECONDS, every_seconds)
        while True:
            await asyncio.sleep(pause)
            pause = every_seconds
            try:
                pruned = await self.prune(older_than_ns=self._now_ns() - int(retention_days * _DAY_NS), keep=keep)
            except Exception:  # the next pass may find a disk with room
                log.exception("pruning failed; it goes on in %d s", every_seconds)
                continue
            if pruned:
                log.info("pruned %d runs", pruned)

    async def perform(self, kind: str, *values: Any) -> int:
        """`prune` or `delete_flow`, as a client asks for it."""
        if kind == "prune":
            older_than_ns, keep = values
            return await self.prune(older_than_ns=older_than_ns, keep=keep)
        return await self.delete_flow(values[0])

    async def prune(self, *, older_than_ns: int, keep: int) -> int:
        """Delete runs that ended before a moment, except the newest `keep` of each flow, dead letters from before it,
        and events delivered more than a day ago; how many runs went."""
        pruned = 0
        while expired := await self._store.read(
            lambda connection: retention.expired_runs(
                connection, older_than_ns=older_than_ns, keep=keep, limit=50 * _BATCH_RUNS
            )
        ):
            await self._delete_runs(expired)
            pruned += len(expired)
        await self._repeat(lambda connection: connection.execute(_OLD_LETTERS, (older_than_ns, _BATCH_ROWS)).rowcount)
        await self._store.operate(lambda connection: keeping.forget_spent(connection, self._now_ns()))
        await self._delete_old_events()
        await self._return_pages()
        return pruned

    async def delete_flow(self, flow: str) -> int:
        """Delete all runs of a flow, running ones too, what is to be delivered to it and what it remembers; how many
        runs."""
        tenant_id, _, flow_id = flow.partition("/")
        await self._repeat(
            lambda connection: deliveries.delete_deliveries(connection, tenant_id, flow_id, limit=_BATCH_ROWS)
        )
        await self._store.operate(lambda connection: keeping.forget_flow(connection, flow))
        deleted = 0
        while found := await self._store.read(
            lambda connection: [run_id for (run_id,) in connection.execute(_RUNS_OF, (flow, 50 * _BATCH_RUNS))]
        ):
            await self._delete_runs(found)
            deleted += len(found)
        if deleted:
            await self._return_pages()
        return deleted

    async def _delete_runs(self, run_ids: Sequence[str]) -> None:
        for start in range(0, len(run_ids), _BATCH_RUNS):
            batch = run_ids[start : start + _BATCH_RUNS]
            await self._store.operate(lambda connection, batch=batch: delete_runs(connection, batch))  # type: ignore[misc]
            self._wards.forget()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _delete_old_events(self) -> None:
        before_ns, last = self._now_ns() - _KEPT_EVENTS_NS, 0
        while numbers := await self._store.read(
            lambda connection, last=last: connection.execute(_OLD_EVENTS, (before_ns, last, _BATCH_ROWS)).fetchall()  # type: ignore[misc]
        ):
            last = numbers[-1][0]
            await self._store.operate(lambda connection, numbers=numbers: execute_each(connection, numbers))  # type: ignore[misc]
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _return_pages(self) -> None:
        await self._repeat(lambda connection: retention.return_pages(connection, _RETURNED_PAGES))

    async def _repeat(self, perform: Callable[[Connection], int]) -> None:
        more = True
        while more:
            more = bool(await self._store.operate(perform))
            await asyncio.sleep(_PAUSE_SECONDS)


def execute_each(connection: Connection, numbers: Sequence[tuple[int]]) -> None:
    """Delete events that are still done with."""
    connection.executemany(_DELETE_EVENT, numbers)


def delete_runs(connection: Connection, run_ids: Sequence[str]) -> None:
    """Delete runs and what descends from them, but never give a record's number again: those who watch know by it what
    they have seen, and SQLite would give the one after the highest that is left. So the newest record of all stays,
    empty and without a run, until there is a newer one."""
    connection.execute(_DROP_NUMBERS)
    connection.executemany(_KEEP_NUMBER, retention.family_of(connection, run_ids))
    retention.delete_runs(connection, run_ids)
