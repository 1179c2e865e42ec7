"""One tenant brought into agreement: its namespace and what its flows share; what it should no longer have goes.

Triggers are deleted here and nowhere else, one at a time, and afterwards the channel's list of subscribers is compared
with those that live (`subscribers.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from intellyhub_engine.errors import EngineError
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.cluster.applier import Applier
from intellyhub_knative.cluster.client import ClusterClient, Object
from intellyhub_knative.cluster.errors import ClusterError, Invalid
from intellyhub_knative.cluster.kinds import BROKER, NAMESPACE, SERVICE, SOURCES, TRIGGER, kind_of, order_of
from intellyhub_knative.cluster.readiness import conditions_of, is_ready
from intellyhub_knative.cluster.statuses import TENANT, StatusKeeper
from intellyhub_knative.cluster.subscribers import remove_orphans
from intellyhub_knative.manifests.names import FLOW_ID, MANAGED_BY, MANAGER, TENANT_ID, namespace_of, selector
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.manifests.tenant import make_tenant_objects
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["Pace", "TenantDeployer"]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds between steps that must not be taken at once."""

    trigger: float = 1.0
    """Between two deletions of Triggers of one Broker."""
    subscribers: float = 3.0
    """Until a channel has taken a deleted Trigger off its list, and until a repaired one is there again."""
    ending: float = 2.0
    """Between looks at a namespace that comes to its end."""
    broker: float = 5.0
    """Between looks at a Broker that does not work."""


class TenantDeployer:
    """Brings tenants into agreement, each on its own."""

    def __init__(
        self,
        *,
        client: ClusterClient,
        applier: Applier,
        settings: ClusterSettings,
        desired: Desired,
        statuses: StatusKeeper,
        pace: Pace | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._applier, self._settings = client, applier, settings
        self._desired, self._statuses = desired, statuses
        self._pace, self._now = pace or Pace(), now
        self._suspected: dict[str, frozenset[str]] = {}
        self._deleted: set[str] = set()
        self.prepared: set[str] = set()
        """Tenants (ids) whose namespace stands."""
        self.renewed: set[str] = set()
        """Those whose namespace was made since whoever looks after flows took note: everything in it is missing."""
        self.repaired = 0
        """Channels that were made anew: shown in the metrics."""

    async def bring(self, tenant_id: str) -> float | None:
        """One pass over a tenant that there is; the seconds until the next one, or None. Raises `ClusterError` for
        what may pass."""
        tenant = self._desired.tenants.get(tenant_id)
        if tenant is None:
            return None
        try:
            wait = await self._prepare(tenant)
            return wait if wait is not None else await self._tidy(tenant)
        except (ClusterError, EngineError) as fault:
            if not (isinstance(fault, ClusterError) and fault.passing):
                await self._tell(tenant, str(fault))
            raise

    async def remove(self, tenant_id: str) -> float | None:
        """Take everything away that a tenant had; the seconds until somebody should look whether it is gone, or None
        where nothing is left."""
        self.prepared.discard(tenant_id)
        left = (await self._client.list(NAMESPACE, labels=selector(tenant_id=tenant_id))).items
        for namespace in left:
            about = namespace["metadata"]
            if is_ours(namespace, tenant_id) and not about.get("deletionTimestamp"):
                await self._applier.delete(NAMESPACE, about["name"], uid=about["uid"])
            self._applier.forget_all(about["name"])
            self._suspected.pop(about["name"], None)
        if left:
            return self._pace.ending
        await self._statuses.remove(TENANT, tenant_id)
        return None

    async def _prepare(self, tenant: Tenant) -> float | None:
        """Everything but the flows. None when it stands."""
        name = namespace_of(tenant)
        there = await self._client.get(NAMESPACE, name)
        if there is None:
            self.renewed.add(tenant.tenant_id)
            self._applier.forget_all(name)
        elif there["metadata"].get("deletionTimestamp"):
            self.prepared.discard(tenant.tenant_id)
            self._applier.forget_all(name)
            return self._pace.ending
        elif not is_ours(there, tenant.tenant_id):
            raise Invalid(409, "Foreign", f"the namespace {name} belongs to somebody else: delete or rename it")
        objects = sorted(make_tenant_objects(tenant, self._settings), key=order_of)
        for manifest in objects:
            await self._applier.apply(manifest)
        self.prepared.add(tenant.tenant_id)
        return None

    async def _tidy(self, tenant: Tenant) -> float | None:
        """What should not be there any more, in the order that loses nothing: Triggers, sources, Services."""
        namespace = namespace_of(tenant)
        wanted = {flow.flow_id for flow in self._desired.of_tenant(tenant.tenant_id)}
        wait = await self._delete_trigger(namespace, wanted)
        if wait is None:
            await self._prune(namespace, wanted)
            wait = await self._look_at_subscribers(namespace)
        broken = await self._find_broken_broker(namespace)
        await self._tell(tenant, broken)
        return wait if wait is not None else (self._pace.broker if broken else None)

    async def _delete_trigger(self, namespace: str, wanted: set[str]) -> float | None:
        """Delete one that should not be there; the pause before the next one."""
        sleeping = self._desired.asleep
        for trigger in (await self._client.list(TRIGGER, namespace, labels=selector())).items:
            flow_id = flow_of(trigger)
            if flow_id not in wanted or flow_id in sleeping:
                about = trigger["metadata"]
                await self._applier.delete(TRIGGER, about["name"], namespace, uid=about["uid"])
                self._deleted.add(namespace)
                return self._pace.trigger
        return None

    async def _prune(self, namespace: str, wanted: set[str]) -> None:
        """Sources and Services of flows that there are no more. What a Service owns goes with it."""
        for kind in (*SOURCES, SERVICE):
            for item in (await self._client.list(kind, namespace, labels=selector())).items:
                if flow_of(item) and flow_of(item) not in wanted:
                    about = item["metadata"]
                    await self._applier.delete(kind_of(item), about["name"], namespace, uid=about["uid"])

    async def _look_at_subscribers(self, namespace: str) -> float | None:
        """Look for orphans after deletions and with every whole look; again while some are suspected."""
        suspected = self._suspected.get(namespace, frozenset())
        found, repaired = await remove_orphans(self._client, namespace, suspected)
        self.repaired += len(repaired)
        self._suspected[namespace] = found
        again = bool(found or repaired or namespace in self._deleted)
        self._deleted.discard(namespace)
        return self._pace.subscribers if again else None

    async def _find_broken_broker(self, namespace: str) -> str:
        """Why events cannot be delivered; empty where they can."""
        brokers = (await self._client.list(BROKER, namespace, labels=selector())).items
        broken = next((broker for broker in brokers if not is_ready(broker)), None)
        if broken is None:
            return ""
        ready = conditions_of(broken).get("Ready", {})
        return f"events are not delivered: {ready.get('message') or 'the Broker is being made'}"

    async def _tell(self, tenant: Tenant, message: str) -> None:
        document = {"namespace": namespace_of(tenant), "ready": not message, "message": message}
        await self._statuses.write(TENANT, tenant.tenant_id, document, self._now())


def is_ours(namespace: Object, tenant_id: str) -> bool:
    """Whether a namespace is this tenant's: what is somebody else's is never touched."""
    labels = namespace["metadata"].get("labels") or {}
    return labels.get(MANAGED_BY) == MANAGER and labels.get(TENANT_ID) == tenant_id


def flow_of(item: Object) -> str:
    """The flow's id that an object is labelled with."""
    return str((item["metadata"].get("labels") or {}).get(FLOW_ID, ""))
