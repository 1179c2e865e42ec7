"""The journal service as the broker and the sources see it, in memory. It passes the contract tests of the real one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.journal.matching import event_matches
from intellyhub_engine.journal.records import RunSummary
from intellyhub_knative.platform.outbox import Accepted, DeadLetter, Due, Outcome, Routing, Settlement, Unrouted


class MemoryJournal:
    """One tenant's or many tenants' events and deliveries."""

    def __init__(self) -> None:
        self.events: dict[int, Unrouted] = {}
        self.accepted_ns: dict[int, int] = {}
        self.unlooked: list[int] = []
        self.keys: dict[tuple[str, str, str], int] = {}
        self.pending: dict[int, tuple[Due, int]] = {}
        self.delivered: list[tuple[Due, Settlement]] = []
        self.dead: list[DeadLetter] = []
        self.settled: list[Settlement] = []
        self.runs: list[RunSummary] = []
        self.waiting: list[tuple[RunSummary, Mapping[str, Any]]] = []
        self.awakened: list[tuple[RunSummary, str]] = []
        """Runs, each with the id of an event that has woken it."""
        self.fault: Exception | None = None
        """Raised by every call while it is set."""
        self._woken = asyncio.Event()

    def look(self) -> None:
        if self.fault is not None:
            raise self.fault

    async def accept(self, tenant_id: str, events: Sequence[Event], *, hops: int = 0) -> Sequence[Accepted]:
        self.look()
        found = []
        for event in events:
            key = (tenant_id, event.source, event.id)
            known = key in self.keys
            number = self.keys.setdefault(key, len(self.events) + 1)
            if not known:
                self.events[number] = Unrouted(number, tenant_id, event, hops)
                self.accepted_ns[number] = time.time_ns()
                self.unlooked.append(number)
            found.append(Accepted(number, known))
        self._woken.set()
        return found

    async def unrouted(self, *, limit: int = 500) -> Sequence[Unrouted]:
        self.look()
        return [self.events[number] for number in self.unlooked[:limit]]

    async def route(self, routings: Sequence[Routing]) -> None:
        self.look()
        for routing in routings:
            if routing.number not in self.unlooked:
                continue
            self.unlooked.remove(routing.number)
            event = self.events[routing.number]
            for flow_id in routing.flow_ids:
                delivery_id = len(self.pending) + len(self.delivered) + len(self.dead) + 1
                due = Due(
                    delivery_id,
                    event.tenant_id,
                    flow_id,
                    event.event,
                    1,
                    self.accepted_ns[routing.number],
                    event.hops,
                )
                self.pending[delivery_id] = (due, time.time_ns())
        self._woken.set()

    async def due(
        self, now_ns: int, *, limit: int = 500, beyond: Sequence[int] = (), except_flows: Collection[str] = ()
    ) -> Sequence[Due]:
        self.look()
        hidden, shut = set(beyond), set(except_flows)
        found = [
            due
            for due, again_ns in sorted(self.pending.values(), key=lambda each: each[1])
            if again_ns <= now_ns and due.delivery_id not in hidden and due.flow_id not in shut
        ]
        return found[:limit]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        self.look()
        for settlement in settlements:
            if settlement.delivery_id not in self.pending:
                continue
            due, _ = self.pending.pop(settlement.delivery_id)
            self.settled.append(settlement)
            if settlement.outcome is Outcome.RETRY:
                again = due._replace(attempt=due.attempt + 1)
                self.pending[settlement.delivery_id] = (again, settlement.again_ns)
            elif settlement.outcome is Outcome.DEAD:
                letter = DeadLetter(
                    due.delivery_id,
                    due.tenant_id,
                    due.flow_id,
                    due.event,
                    due.attempt,
                    settlement.code,
                    settlement.error,
                    due.accepted_ns,
                    time.time_ns(),
                )
                self.dead.append(letter)
            else:
                self.delivered.append((due, settlement))
                if settlement.reply is not None:
                    await self.accept(due.tenant_id, [settlement.reply], hops=due.hops + 1)
        self._woken.set()

    async def bury(
        self,
        tenant_id: str,
        flow_id: str,
        event: Event,
        *,
        code: int | None = None,
        error: str = "",
        attempts: int = 1,
        hops: int = 0,
        again: bool = False,
    ) -> bool:
        self.look()
        key = (tenant_id, event.source, event.id)
        number = self.keys.setdefault(key, len(self.events) + 1)
        accepted_ns = self.accepted_ns.setdefault(number, time.time_ns())
        self.events.setdefault(number, Unrouted(number, tenant_id, event, hops))
        standing = [*(due for due, _ in self.pending.values()), *self.dead]
        if any((each.flow_id, each.event.source, each.event.id) == (flow_id, *key[1:]) for each in standing):  # type: ignore[attr-defined]
            return False
        delivery_id = len(self.pending) + len(self.delivered) + len(self.dead) + 1
        if again:
            due = Due(delivery_id, tenant_id, flow_id, event, 1, accepted_ns, hops)
            self.pending[delivery_id] = (due, time.time_ns())
        else:
            letter = DeadLetter(
                delivery_id, tenant_id, flow_id, event, attempts, code, error, accepted_ns, time.time_ns()
            )
            self.dead.append(letter)
        self._woken.set()
        return True

    async def counts(self) -> Mapping[str, Any]:
        self.look()
        return {"unrouted": len(self.unlooked), "pending": len(self.pending), "dead": len(self.dead)}

    async def wait_for_work(self, timeout_seconds: float) -> None:
        self.look()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._woken.wait()
        self._woken.clear()

    async def due_runs(self, now_ns: int, *, limit: int = 100) -> Sequence[RunSummary]:
        self.look()
        return [run for run in self.runs if run.wake_ns is not None and run.wake_ns <= now_ns][:limit]

    async def waiting_runs(self, event: Event, *, under: str) -> Sequence[RunSummary]:
        self.look()
        return [run for run, wanted in self.waiting if run.flow.startswith(under) and event_matches(event, wanted)]

    async def woken_runs(self, event: Event, *, flow: str) -> Sequence[RunSummary]:
        self.look()
        return [run for run, event_id in self.awakened if run.flow == flow and event.id == event_id]

    async def find_run(self, flow: str, source: str, id: str) -> RunSummary | None:  # noqa: A002 - the contract's
        self.look()
        return next((run for run in self.runs if run.flow == flow and run.run_id == f"{source} {id}"), None)

    def woken(self, run_id: str) -> None:
        """A worker took the run over."""
        self.runs = [replace(run, wake_ns=None) if run.run_id == run_id else run for run in self.runs]
