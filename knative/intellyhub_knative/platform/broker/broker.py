"""The broker as a whole: routes what was accepted, delivers what is due, resumes runs, and says how it stands."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Set
from typing import Any

from intellyhub_engine.errors import JournalError
from intellyhub_knative.platform.broker.attempts import Attempts
from intellyhub_knative.platform.broker.counters import Counters
from intellyhub_knative.platform.broker.dispatch import Dispatch
from intellyhub_knative.platform.broker.forward_routing import forward
from intellyhub_knative.platform.broker.forwarding import Forwarding
from intellyhub_knative.platform.broker.journal import BrokerJournal
from intellyhub_knative.platform.broker.resumption import Resumption
from intellyhub_knative.platform.broker.routing import is_sound, route
from intellyhub_knative.platform.broker.settling import Settling
from intellyhub_knative.platform.broker.standing import Standing
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.flows import Flows
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.knative import Knative
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.outbox import Routing, Unrouted

__all__ = ["Broker"]

LOG = logging.getLogger(__name__)
MOST_AT_ONCE = 50
"""Events that are looked at together. The journal answers in turn: deliveries would wait behind more."""
WAIT_SECONDS = 5.0
PAUSE_SECONDS = 0.5
"""Before the journal is asked again, after it could not be reached."""
END_SECONDS = 2.0


class Broker:
    """Runs in one event loop. Everything it knows is in the journal: it may be killed at any moment."""

    def __init__(
        self, *, layout: Layout, keys: Keys, journal: BrokerJournal, flows: Flows, knative: Knative | None = None
    ) -> None:
        self.counters = Counters()
        self._journal = journal
        self._desired = Desired(layout)
        self._sound: frozenset[str] = frozenset()
        self._unsound: Set[str] = frozenset()
        """Flows with filters that cannot be used: those that were told already."""
        self._settling = Settling(journal)
        self._forwarding = None
        if knative is not None:
            stands = Standing(layout).stands
            self._forwarding = Forwarding(
                knative=knative, keys=keys, journal=journal, desired=self._desired, stands=stands
            )
        self._dispatch = Dispatch(
            journal=journal,
            desired=self._desired,
            attempts=Attempts(flows=flows, keys=keys, journal=journal),
            settling=self._settling,
            counters=self.counters,
            forwarding=self._forwarding,
        )
        self._resumption = Resumption(
            flows=flows, keys=keys, journal=journal, desired=self._desired, counters=self.counters
        )
        self._accepted = asyncio.Event()
        self.counters.watch("in_flight", "Deliveries under way.", lambda: self._dispatch.lanes.under_way)
        self.counters.watch("oldest_seconds", "Age of the oldest event under way.", self._oldest_seconds)
        self.counters.watch("resuming", "Runs being resumed.", lambda: self._resumption.in_flight)
        self.counters.watch("away", "Tenants whose Knative Broker takes no events.", lambda: len(self._away()))

    async def run(self) -> None:
        """Work until cancelled; what is under way then is left, and due again."""
        try:
            async with asyncio.TaskGroup() as group:
                for work in (
                    self._desired.watch(self._on_change),
                    self._listen(),
                    self._route_all(),
                    self._settling.run(),
                    self._dispatch.run(),
                    self._resumption.run(),
                ):
                    group.create_task(work)
        finally:
            await self._dispatch.finish(0.0)
            await self._resumption.finish()
            if self._forwarding is not None:
                await self._forwarding.close()

    async def end(self) -> None:
        """Wait a moment for deliveries that are almost done. Called while `run` still runs."""
        await self._dispatch.finish(END_SECONDS)

    async def state(self) -> Mapping[str, Any]:
        """What it is at, for operators."""
        now_ns = time.time_ns()
        oldest = sorted(self._dispatch.lanes.held.values(), key=lambda due: due.accepted_ns)[:20]
        return {
            "in_flight": self._dispatch.lanes.under_way,
            "resuming": self._resumption.in_flight,
            "shut_flows": len(self._dispatch.lanes.shut()),
            "brokers_away": self._away(),
            "journal": dict(await self._journal.counts()),
            "oldest": [
                {
                    "delivery_id": due.delivery_id,
                    "flow_id": due.flow_id,
                    "event_id": due.event.id,
                    "attempt": due.attempt,
                    "age_seconds": round((now_ns - due.accepted_ns) / 1e9, 3),
                }
                for due in oldest
            ],
        }

    def _on_change(self) -> None:
        flows = self._desired.deployments.values()
        self._sound = frozenset(flow.flow_id for flow in flows if is_sound(flow))
        unsound = {flow.flow_id: flow for flow in flows if flow.filters and flow.flow_id not in self._sound}
        for flow_id in unsound.keys() - self._unsound:
            name = f"{unsound[flow_id].tenant_slug}/{unsound[flow_id].slug}"
            LOG.error("the filters of %s cannot be used; it gets addressed events only", name)
        self._unsound = unsound.keys()
        self._dispatch.wake()

    async def _listen(self) -> None:
        """Be woken by the journal."""
        while True:
            try:
                await self._journal.wait_for_work(WAIT_SECONDS)
            except JournalError as fault:
                LOG.warning("the journal cannot be reached: %s", fault)
                await asyncio.sleep(PAUSE_SECONDS)
            self._accepted.set()
            self._dispatch.wake()
            self._resumption.wake()
            await asyncio.sleep(0)

    async def _route_all(self) -> None:
        while True:
            self._accepted.clear()
            try:
                events = await self._journal.unrouted(limit=MOST_AT_ONCE)
                if events:
                    await self._journal.route(list(await asyncio.gather(*map(self._route, events))))
                    self._dispatch.wake()
                    continue
            except JournalError as fault:
                LOG.warning("events wait for the journal: %s", fault)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            await self._accepted.wait()

    async def _route(self, unrouted: Unrouted) -> Routing:
        waiting = await self._journal.waiting_runs(unrouted.event, under=f"{unrouted.tenant_id}/")
        if self._forwarding is not None:
            routing = forward(unrouted, self._desired, waiting, self._sound, self._forwarding.stands)
        else:
            routing = route(unrouted, self._desired, {run.flow.rpartition("/")[2] for run in waiting}, self._sound)
        self.counters.routed(len(routing.flow_ids))
        return routing

    def _away(self) -> list[str]:
        return self._forwarding.away if self._forwarding is not None else []

    def _oldest_seconds(self) -> float:
        accepted = [due.accepted_ns for due in self._dispatch.lanes.held.values()]
        return (time.time_ns() - min(accepted)) / 1e9 if accepted else 0.0
