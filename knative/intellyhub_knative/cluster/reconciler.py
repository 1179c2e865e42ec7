"""Desired against actual, for ever: whatever changes on either side is looked at, and everything now and then.

A flow that breaks stops nobody: tenants and flows are keys of one queue, each with its own faults. What is deleted for
good, a tenant's namespace, is deleted only when the desired state is known to be whole, and has said so for a while.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.cluster.applier import Applier
from intellyhub_knative.cluster.client import ClusterClient
from intellyhub_knative.cluster.errors import ClusterError, Expired, NotThere
from intellyhub_knative.cluster.farewells import NO_FAREWELLS, Farewells
from intellyhub_knative.cluster.flow import FlowDeployer
from intellyhub_knative.cluster.kinds import NAMESPACE, SERVICE
from intellyhub_knative.cluster.queue import WorkQueue
from intellyhub_knative.cluster.statuses import FLOW, StatusKeeper
from intellyhub_knative.cluster.tenant import TenantDeployer
from intellyhub_knative.manifests.names import FLOW_ID, TENANT_ID, selector
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.desired_records import RecordsUnavailable
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["Key", "Reconciler", "Regularity"]

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Regularity:
    """Seconds."""

    whole: float = 300.0
    """Between looks at everything, whatever was told; each flow at its own moment within it."""
    farewell: float = 30.0
    """A tenant must be missing for so long before its namespace is deleted."""
    watch_pause: float = 1.0
    """After a watch that ended or broke."""
    longest_pause: float = 60.0
    """Between attempts at what fails."""


class Key(NamedTuple):
    """What the queue holds."""

    kind: str
    """`tenant`, `flow`; `gone`: a tenant that should be nowhere any more."""
    id: str


class Reconciler:
    """One pass after the other. `run` again after it was cancelled: it starts from what the cluster says."""

    def __init__(
        self,
        *,
        client: ClusterClient,
        applier: Applier,
        desired: Desired,
        statuses: StatusKeeper,
        tenants: TenantDeployer,
        flows: FlowDeployer,
        is_whole: Callable[[], bool] = lambda: True,
        farewells: Farewells = NO_FAREWELLS,
        regularity: Regularity | None = None,
        workers: int = 4,
    ) -> None:
        self.regularity = regularity or Regularity()
        self.passes: dict[str, int] = {"tenant": 0, "flow": 0, "gone": 0}
        self._client, self._applier, self._desired, self._statuses = client, applier, desired, statuses
        self._tenants, self._flows, self._is_whole = tenants, flows, is_whole
        self._farewells = farewells
        self._workers = workers
        self._known: tuple[Mapping[str, Deployment], Mapping[str, Tenant]] = ({}, {})
        self._missing_since: dict[str, float] = {}
        self._waiting: dict[str, set[str]] = {}
        """Flows (ids) by the tenant whose namespace they wait for."""
        self._left: dict[str, Deployment] = {}
        self.queue = self._make_queue()

    def _make_queue(self) -> WorkQueue[Key]:
        return WorkQueue(
            self._work,
            workers=self._workers,
            is_passing=lambda fault: isinstance(fault, (ClusterError, RecordsUnavailable)),
            longest_pause_seconds=self.regularity.longest_pause,
        )

    async def run(self) -> None:
        """Until cancelled."""
        self.queue = self._make_queue()
        self._known = ({}, {})
        self._applier.forget_all()
        self._tenants.prepared.clear()
        self._waiting.clear()
        await self._statuses.load()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._desired.watch(self._look_at_desired))
            tasks.create_task(self._watch_services())
            tasks.create_task(self._look_at_everything())
            tasks.create_task(self.queue.run())

    async def _work(self, key: Key) -> float | None:
        self.passes[key.kind] += 1
        match key.kind:
            case "tenant":
                return await self._bring_tenant(key.id)
            case "gone":
                return await self._remove_tenant(key.id)
            case _:
                return await self._bring_flow(key.id)

    async def _bring_tenant(self, tenant_id: str) -> float | None:
        if tenant_id not in self._desired.tenants:
            self.queue.add(Key("gone", tenant_id))
            return None
        try:
            return await self._tenants.bring(tenant_id)
        finally:  # also where something failed after its namespace stood
            self._release_flows(tenant_id)

    def _release_flows(self, tenant_id: str) -> None:
        """Queue what waited for a namespace that stands, and all that was in one that is new."""
        if tenant_id not in self._tenants.prepared:
            return
        flows = self._waiting.pop(tenant_id, set())
        if tenant_id in self._tenants.renewed:
            self._tenants.renewed.discard(tenant_id)
            flows |= {flow.flow_id for flow in self._desired.of_tenant(tenant_id)}
        for flow_id in flows:
            self.queue.add(Key("flow", flow_id))

    async def _bring_flow(self, flow_id: str) -> float | None:
        flow = self._desired.deployments.get(flow_id)
        if flow is None and flow_id in self._left:  # never beside a pass over it, which would make things again
            await self._flows.leave(self._left[flow_id])
            del self._left[flow_id]
        if flow is not None and flow.tenant_id not in self._tenants.prepared:
            self._waiting.setdefault(flow.tenant_id, set()).add(flow_id)
            self.queue.add(Key("tenant", flow.tenant_id))
            return None
        try:
            return await self._flows.bring(flow_id)
        except NotThere:
            if flow is not None:  # most likely somebody deleted the namespace
                self._tenants.prepared.discard(flow.tenant_id)
                self.queue.add(Key("tenant", flow.tenant_id))
            raise

    async def _remove_tenant(self, tenant_id: str) -> float | None:
        """Only after it was missing for a while, in a desired state that is whole and not empty: a database that is
        being restored must not cost anyone a namespace. Where somebody has said that it was deleted, it may be empty.
        """
        now = asyncio.get_running_loop().time()
        if tenant_id in self._desired.tenants:
            self._missing_since.pop(tenant_id, None)
            return None
        if not self._is_whole() or not (self._desired.tenants or await self._farewells.is_gone(tenant_id)):
            LOG.warning("tenant %s is not deleted: the desired state is empty or not complete", tenant_id)
            self._missing_since.pop(tenant_id, None)
            return self.regularity.farewell
        waited = now - self._missing_since.setdefault(tenant_id, now)
        if waited < self.regularity.farewell:
            return self.regularity.farewell - waited
        wait = await self._tenants.remove(tenant_id)
        if wait is None:
            self._missing_since.pop(tenant_id, None)
            self._waiting.pop(tenant_id, None)
            await self._farewells.forget(tenant_id)
        return wait

    def _look_at_desired(self) -> None:
        """What is not as it was the last time."""
        flows, tenants = dict(self._desired.deployments), dict(self._desired.tenants)
        old_flows, old_tenants = self._known
        self._known = (flows, tenants)
        for tenant_id in tenants.keys() | old_tenants.keys():
            if tenants.get(tenant_id) != old_tenants.get(tenant_id):
                self.queue.add(Key("tenant", tenant_id))
                for flow in self._desired.of_tenant(tenant_id):
                    self.queue.add(Key("flow", flow.flow_id))
        for flow_id in flows.keys() | old_flows.keys():
            new, old = flows.get(flow_id), old_flows.get(flow_id)
            if new is None and old is not None:
                self._left[flow_id] = old
            if new != old:
                self.queue.add(Key("flow", flow_id))
            either = new or old
            if new != old and either is not None and (new is None or not new.active):
                self.queue.add(Key("tenant", either.tenant_id))  # its Trigger has to be deleted

    async def _watch_services(self) -> None:
        """Services that change are looked at: they became ready, or somebody touched them."""
        while True:
            try:
                listed = await self._client.list(SERVICE, labels=selector())
                since = listed.version
                for item in listed.items:
                    self._note_service(item)
                while True:
                    async for change in self._client.watch(SERVICE, labels=selector(), since=since):
                        since = change.version or since
                        if change.type != "BOOKMARK":
                            self._note_service(change.object)
                    await asyncio.sleep(self.regularity.watch_pause)  # something between may end it at once, each time
            except Expired:
                LOG.info("the cluster does not remember where we were: everything is listed again")
            except ClusterError as fault:
                LOG.warning("Services cannot be watched now: %s", fault)
                self._applier.forget_all()  # whatever happened meanwhile was not told
            await asyncio.sleep(self.regularity.watch_pause)

    def _note_service(self, item: Mapping[str, object]) -> None:
        about = item.get("metadata")
        labels = (about.get("labels") or {}) if isinstance(about, dict) else {}
        if FLOW_ID not in labels or not isinstance(about, dict):
            return
        key = Key("flow", str(labels[FLOW_ID]))
        self._applier.note(SERVICE, about.get("namespace"), str(about.get("name")), about.get("generation"))
        if key.id in self._desired.deployments:
            self.queue.add(key)
        elif labels.get(TENANT_ID):
            self.queue.add(Key("tenant", str(labels[TENANT_ID])))

    async def _look_at_everything(self) -> None:
        """Now and then, whatever was told: spread over the time, so that nobody has to wait for it."""
        while True:
            await self._look_for_strangers()
            whole = self.regularity.whole
            for tenant_id in self._desired.tenants:
                self.queue.add(Key("tenant", tenant_id), random.uniform(0, whole))
            for flow_id in {*self._desired.deployments, *self._statuses.of(FLOW)}:
                self.queue.add(Key("flow", flow_id), random.uniform(0, whole))
            await asyncio.sleep(whole)

    async def _look_for_strangers(self) -> None:
        """Namespaces of tenants that there are no more."""
        try:
            namespaces = (await self._client.list(NAMESPACE, labels=selector())).items
        except ClusterError as fault:
            LOG.warning("namespaces cannot be listed now: %s", fault)
            return
        for namespace in namespaces:
            tenant_id = str((namespace["metadata"].get("labels") or {}).get(TENANT_ID, ""))
            if tenant_id and tenant_id not in self._desired.tenants:
                self.queue.add(Key("gone", tenant_id))
