"""Takes due deliveries out of the journal and sees each one through, many at a time."""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from contextlib import suppress

from intellyhub_engine.errors import JournalError
from intellyhub_knative.platform.broker.attempts import Attempts
from intellyhub_knative.platform.broker.counters import Counters
from intellyhub_knative.platform.broker.forwarding import Forwarding, again
from intellyhub_knative.platform.broker.journal import BrokerJournal
from intellyhub_knative.platform.broker.lane_names import is_lane
from intellyhub_knative.platform.broker.lanes import Lanes
from intellyhub_knative.platform.broker.settling import Settling
from intellyhub_knative.platform.broker.verdicts import Failure, Later, retry_or_bury
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.outbox import Due, Outcome, Settlement

__all__ = ["Dispatch"]

LOG = logging.getLogger(__name__)
MOST_AT_ONCE = 100
LOOK_SECONDS = 1.0
"""How often the journal is asked although nothing is known to be due: what waited since before this process began."""
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
PATIENCE_SECONDS = 600.0
"""For so long what is the platform's doing, a restart or a full worker, costs no attempt."""
EARLY_SECONDS = 40.0
"""Where records come by mirror: longer than one takes to come, at the worst."""
EARLY_PAUSE_SECONDS = 1.0


class Dispatch:
    """The deliveries under way."""

    def __init__(
        self,
        *,
        journal: BrokerJournal,
        desired: Desired,
        attempts: Attempts,
        settling: Settling,
        counters: Counters,
        forwarding: Forwarding | None = None,
    ) -> None:
        self.lanes = Lanes(desired)
        self._journal = journal
        self._desired = desired
        self._attempts = attempts
        self._forwarding = forwarding
        """On a cluster: the way to Knative's Brokers."""
        self._settling = settling
        self._counters = counters
        self._wake = asyncio.Event()
        self._retries: list[int] = []
        """When retries of this process are due, a heap of Unix nanoseconds."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False

    def wake(self) -> None:
        """Something may be due, or there is room again."""
        self._wake.set()

    async def run(self) -> None:
        """Dispatch until cancelled."""
        while True:
            self._wake.clear()
            try:
                taken = await self._take()
            except JournalError as fault:
                LOG.warning("deliveries wait for the journal: %s", fault)
                taken = False
            if not taken:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._next_look()):
                        await self._wake.wait()

    async def finish(self, seconds: float) -> None:
        """Begin nothing more, and give what is under way some time to end; the rest is due again when the broker comes
        back."""
        self._ending = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self) -> bool:
        """Take what is due and has a place; False when there is nothing more at the moment."""
        limit = min(self.lanes.room, MOST_AT_ONCE)
        if limit <= 0 or self._ending:
            return False
        shut = self.lanes.shut()
        found = await self._journal.due(time.time_ns(), limit=limit, beyond=list(self.lanes.held), except_flows=shut)
        taken = 0
        for due in found:
            taken += self.lanes.take(due)
            self._begin()
        return len(found) == limit and (taken > 0 or self.lanes.shut() != shut)

    def _begin(self) -> None:
        """Begin the deliveries whose turn it is."""
        if self._ending:
            return
        for due in self.lanes.turns():
            task = asyncio.create_task(self._see_through(due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _next_look(self) -> float:
        now_ns = time.time_ns()
        while self._retries and self._retries[0] <= now_ns:
            heapq.heappop(self._retries)
        return min(LOOK_SECONDS, (self._retries[0] - now_ns) / 1e9) if self._retries else LOOK_SECONDS

    async def _see_through(self, due: Due) -> None:
        """From the first attempt to the durable settlement of one."""
        try:
            settlement = await self._deliver(due)
            if settlement is not None:
                self._note(due, settlement)
                await self._settling.settle(settlement)
                if settlement.outcome is Outcome.RETRY:
                    heapq.heappush(self._retries, settlement.again_ns)
        except Exception:
            LOG.exception("the delivery %d of the event %r cannot be settled", due.delivery_id, due.event.id)
            await asyncio.sleep(LONGEST_PAUSE_SECONDS)
        finally:
            self.lanes.free(due)
            self._begin()
            self._wake.set()

    async def _deliver(self, due: Due) -> Settlement | None:
        """Attempt until there is something to record; None gives the delivery back as it is."""
        if self._forwarding is not None and is_lane(due.flow_id):
            return await self._forward(due, self._forwarding)
        patient_until = time.monotonic() + PATIENCE_SECONDS
        pause = FIRST_PAUSE_SECONDS
        while True:
            deployment = self._find_flow(due)
            if deployment is None:
                if self._is_early(due):
                    await asyncio.sleep(EARLY_PAUSE_SECONDS)
                    continue
                error = f"the tenant has no flow {due.flow_id[:64]!r}: it was deleted, or never deployed"
                return Settlement(due.delivery_id, Outcome.DEAD, error=error)
            if deployment.flow_id in self._desired.asleep:
                return None
            verdict = await self._attempt(due, deployment)
            if not isinstance(verdict, Later):
                return verdict
            if time.monotonic() > patient_until:
                return retry_or_bury(verdict.failure, due, deployment.delivery, now_ns=time.time_ns(), chance=0.0)
            self._counters.postponed.inc()
            await asyncio.sleep(max(pause, verdict.seconds))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _forward(self, due: Due, forwarding: Forwarding) -> Settlement | None:
        """As `_deliver`, to a Knative Broker."""
        pause = FIRST_PAUSE_SECONDS
        while not self.lanes.is_asleep(due):
            try:
                with self._counters.attempts.time():
                    verdict = await forwarding.make(due)
            except JournalError as fault:
                verdict = Later(0.0, Failure(f"the journal did not answer: {fault}"))
            except Exception:
                LOG.exception("the event %r met a fault of the forwarder", due.event.id)
                return again(due, None, "the forwarder failed; its log says how")
            if not isinstance(verdict, Later):
                return verdict
            self._counters.postponed.inc()
            await asyncio.sleep(max(pause, verdict.seconds))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        return None

    def _find_flow(self, due: Due) -> Deployment | None:
        """The flow that the delivery is for. An address that nobody had was kept as it was written; a flow of that name
        may be there now."""
        found = self._desired.deployments.get(due.flow_id) or self._desired.read_flow(due.flow_id)
        found = found or self._desired.by_slug(due.tenant_id, due.flow_id)
        return found if found is not None and found.tenant_id == due.tenant_id else None

    def _is_early(self, due: Due) -> bool:
        """Whether the record of its flow may still be on its way to this process."""
        return self._forwarding is not None and time.time_ns() - due.accepted_ns < EARLY_SECONDS * 1e9

    async def _attempt(self, due: Due, deployment: Deployment) -> Settlement | Later:
        """One attempt. An event that the broker itself fails at is not tried for ever."""
        try:
            with self._counters.attempts.time():
                return await self._attempts.make(due, deployment)
        except JournalError as fault:
            return Later(0.0, Failure(f"the journal did not answer: {fault}"))
        except Exception:
            LOG.exception("the delivery %d of the event %r met a fault of the broker", due.delivery_id, due.event.id)
            failure = Failure("the broker failed; its log says how")
            return retry_or_bury(failure, due, deployment.delivery, now_ns=time.time_ns(), chance=0.0)

    def _note(self, due: Due, settlement: Settlement) -> None:
        """Count it, and say what a person should know."""
        self._counters.settled(due, settlement)
        if settlement.outcome is Outcome.DEAD:
            LOG.warning(
                "the event %r is a dead letter of the flow %s after %d attempts: %s",
                due.event.id,
                due.flow_id,
                due.attempt,
                settlement.error,
            )
        elif settlement.outcome is Outcome.DELIVERED and settlement.error:
            LOG.warning("the event %r was delivered to the flow %s; %s", due.event.id, due.flow_id, settlement.error)
