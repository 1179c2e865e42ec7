"""Requests to flows that go on although nobody waits for their answers any more.

On a cluster a run needs a request that waits for its end: a pod without one counts as idle and is taken away. So what a
hook's sender no longer waits for is held here until the run has ended. Losing one loses nothing: the journal has the
run, and the forwarder has it resumed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from typing import Protocol

import orjson

from intellyhub_engine.errors import JournalError
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunSummary
from intellyhub_engine.machine.hook import Ran
from intellyhub_knative.platform.counting import subtract
from intellyhub_knative.platform.deployments import Deployment

__all__ = ["Finder", "Holding"]

LOG = logging.getLogger(__name__)
MOST = 2000
MOST_OF_A_TENANT = 500
"""So that nobody's flood takes away what the runs of others are kept alive by."""
FIRST_LOOK_SECONDS = 0.05
LONGEST_LOOK_SECONDS = 1.0


class Finder(Protocol):
    """The journal service's client."""

    async def find_run(self, flow: str, source: str, event_id: str) -> RunSummary | None: ...


class Holding:
    """Keeps requests until they are answered, or their time is over."""

    def __init__(self, journal: Finder, *, most: int = MOST, most_of_a_tenant: int = MOST_OF_A_TENANT) -> None:
        self._journal = journal
        self._most = most
        self._most_of_a_tenant = most_of_a_tenant
        self._held: dict[asyncio.Future[Ran], asyncio.Task[None]] = {}
        self._by_tenant: Counter[str] = Counter()

    def has(self, answer: asyncio.Future[Ran]) -> bool:
        """Whether it is kept."""
        return answer in self._held

    def keep(self, answer: asyncio.Future[Ran], deployment: Deployment) -> None:
        """Wait for the answer, and forget it. Beyond a bound, of all or of its tenant, it is let go."""
        tenant_id = deployment.tenant_id
        if len(self._held) >= self._most or self._by_tenant[tenant_id] >= self._most_of_a_tenant:
            answer.cancel()
            return
        self._held[answer] = task = asyncio.create_task(wait(answer, deployment.timeout_seconds))
        self._by_tenant[tenant_id] += 1
        task.add_done_callback(lambda _: self._forget(answer, tenant_id))

    def _forget(self, answer: asyncio.Future[Ran], tenant_id: str) -> None:
        del self._held[answer]
        subtract(self._by_tenant, tenant_id)

    async def begin(self, answer: asyncio.Future[Ran], deployment: Deployment, event: Event) -> Ran:
        """The answer, or as soon as the run is in the journal, that it has begun; the answer is then kept."""
        pause = FIRST_LOOK_SECONDS
        try:
            while not answer.done():
                run = await self.find(deployment, event)
                if run is not None:
                    self.keep(answer, deployment)
                    return Ran(202, {}, orjson.dumps({"run_id": run.run_id, "status": "running"}))
                await asyncio.wait((answer,), timeout=pause)
                pause = min(pause * 2, LONGEST_LOOK_SECONDS)
            return answer.result()
        except asyncio.CancelledError:
            answer.cancel()
            raise

    async def find(self, deployment: Deployment, event: Event) -> RunSummary | None:
        """The run that the event has made; None also while nobody can tell."""
        with suppress(JournalError, OSError):
            return await self._journal.find_run(deployment.journal_name, event.source, event.id)
        return None


async def wait(answer: asyncio.Future[Ran], seconds: float) -> None:
    """Until it is there."""
    try:
        async with asyncio.timeout(seconds):
            await answer
    except TimeoutError:
        pass
    except Exception as fault:  # noqa: BLE001 - nobody waits for it; the run's end is in the journal
        LOG.warning("a request that nobody waits for came to nothing: %s", fault)
