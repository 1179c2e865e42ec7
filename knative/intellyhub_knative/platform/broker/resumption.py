"""Wakes runs whose time has come: they held no process while they waited."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from contextlib import suppress
from urllib.parse import quote

from intellyhub_engine.errors import JournalError
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.records import RunSummary
from intellyhub_knative.platform.broker.counters import Counters
from intellyhub_knative.platform.broker.journal import BrokerJournal
from intellyhub_knative.platform.counting import subtract
from intellyhub_knative.platform.deployments import Deployment, Version
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.flow_answer import is_end
from intellyhub_knative.platform.flow_socket import NoAnswer, NobodyThere
from intellyhub_knative.platform.flows import Flows
from intellyhub_knative.platform.keys import Keys, Purpose
from intellyhub_knative.platform.outgoing import Outgoing

__all__ = ["Resumption"]

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 0.5
SHORTEST_PAUSE_SECONDS = 0.05
"""Between two looks, however often it is woken."""
MOST_AT_ONCE = 64
MOST_OF_A_FLOW = 16
MOST_HELD = 1024
MOST_HELD_OF_A_TENANT = 128
"""Where requests are held until runs end, which may take long."""
PAGE = 100
MOST_LISTED = 5000
ASK_SECONDS = 60.0
HELD_SECONDS = 60.0
"""Beyond the time that the flow itself has for a request: for its worker to be woken."""
SETTLED = frozenset((404, 409, 410))
"""The run is gone, or held by somebody, or has ended: nothing to insist on. It is listed again if it is due again."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A run that could not be resumed is left alone for a while. Times are those of the monotonic clock."""

    until: float
    failures: int


class Resumption:
    """Looks for due runs twice a second, and when it is woken, and asks their flow's worker to go on with them."""

    def __init__(
        self, *, flows: Flows, keys: Keys, journal: BrokerJournal, desired: Desired, counters: Counters
    ) -> None:
        self._flows = flows
        self._keys = keys
        self._journal = journal
        self._desired = desired
        self._counters = counters
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._pauses: dict[str, Pause] = {}
        self._by_flow: Counter[str] = Counter()
        self._by_tenant: Counter[str] = Counter()
        self._left = 0
        """Runs that were due at the last look and found no place: the next one looks beyond them."""
        self._wake = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._tasks)

    async def run(self) -> None:
        """Resume until cancelled."""
        while True:
            try:
                await self._look()
            except JournalError as fault:
                LOG.warning("due runs wait for the journal: %s", fault)
            await asyncio.sleep(SHORTEST_PAUSE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()

    def wake(self) -> None:
        """A run may be due."""
        self._wake.set()

    async def finish(self) -> None:
        """Leave what is under way; it is due again as long as nobody took it over."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _look(self) -> None:
        limit = min(PAGE + len(self._tasks) + len(self._pauses) + self._left, MOST_LISTED)
        runs = await self._journal.due_runs(time.time_ns(), limit=limit)
        now = time.monotonic()
        listed = {run.run_id for run in runs}
        self._pauses = {
            run_id: pause for run_id, pause in self._pauses.items() if run_id in listed or pause.until > now
        }
        self._left = 0
        for run in runs:
            pause = self._pauses.get(run.run_id)
            if run.run_id in self._tasks or (pause is not None and pause.until > now):
                continue
            if not self._has_place(run.flow):
                self._left += 1
                continue
            self._by_flow[run.flow] += 1
            self._by_tenant[tenant_of(run)] += 1
            self._tasks[run.run_id] = asyncio.create_task(self._resume(run))

    def _has_place(self, flow: str) -> bool:
        most = MOST_HELD if self._flows.holds else MOST_AT_ONCE
        most_of_a_tenant = MOST_HELD_OF_A_TENANT if self._flows.holds else MOST_AT_ONCE
        return (
            len(self._tasks) < most
            and self._by_flow[flow] < MOST_OF_A_FLOW
            and self._by_tenant[flow.partition("/")[0]] < most_of_a_tenant
        )

    async def _resume(self, run: RunSummary) -> None:
        try:
            fault = await self._ask(run)
        except Exception:
            LOG.exception("resuming the run %s met a fault of the broker", run.run_id)
            fault = "a fault of the broker"
        finally:
            del self._tasks[run.run_id]
            subtract(self._by_flow, run.flow)
            subtract(self._by_tenant, tenant_of(run))
        self._counters.resumed("refused" if fault else "resumed")
        known = self._pauses.get(run.run_id)
        failures = (known.failures if known else 0) + 1 if fault else 0
        seconds = min(FIRST_PAUSE_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS) * random.uniform(0.9, 1.1)
        self._pauses[run.run_id] = Pause(until=time.monotonic() + seconds, failures=failures)
        if fault and failures in (1, 8):
            LOG.warning("the run %s of %s is due, but %s", run.run_id, run.flow, fault)

    async def _ask(self, run: RunSummary) -> str | None:
        """Ask once; what was wrong, or None."""
        deployment = self._desired.deployments.get(run.flow.rpartition("/")[2])
        if deployment is None or deployment.journal_name != run.flow:
            return "its flow is not deployed"
        if deployment.flow_id in self._desired.asleep:
            return "its flow is not active"
        version = deployment.version_of(run.version)
        if version is None:
            return f"its version {run.version[:12]} is no longer deployed"
        return await self._request(run, deployment, version)

    async def _request(self, run: RunSummary, deployment: Deployment, version: Version) -> str | None:
        token = self._keys.token(Purpose.CALLER, deployment.journal_name)
        headers = [("Authorization", f"Bearer {token}")]
        seconds = deployment.timeout_seconds + HELD_SECONDS
        if not self._flows.holds:
            headers.append(("Prefer", "respond-async"))
            seconds = ASK_SECONDS
        request = Outgoing("PUT", f"/runs/{quote(run.run_id, safe='~.')}/resumption", headers)
        try:
            answer = await self._flows.ask(deployment, version, request, timeout_seconds=seconds)
        except NobodyThere as fault:
            return f"its flow cannot be reached: {fault}"
        except NoAnswer as fault:
            return str(fault)
        if is_end(answer) or answer.status in SETTLED:
            return None
        return f"its flow answered {answer.status}: {answer.body[:200].decode('utf-8', 'replace')}"


def tenant_of(run: RunSummary) -> str:
    """Whose it is."""
    return run.flow.partition("/")[0]
