"""How many deliveries may be under way: in all, for one tenant, for one flow. So nobody's slowness is another's."""

from __future__ import annotations

from collections import Counter

from intellyhub_knative.local.deployments import Deployment
from intellyhub_knative.local.desired import Desired
from intellyhub_knative.local.outbox import Due

__all__ = ["Lanes"]

MOST = 1024
MOST_OF_A_TENANT = 256
MORE_THAN_RUN = 2
"""Deliveries that wait in a flow's socket, so that a worker that ends a run finds the next one there."""
UNLIMITED = 32
"""What a worker without a limit of its own is given at a time."""
UNKNOWN_FLOW = 8
"""For flows without a deployment: their deliveries only become dead letters."""


class Lanes:
    """Counts what is held, from `take` until `free`."""

    def __init__(self, desired: Desired) -> None:
        self.held: dict[int, Due] = {}
        self._desired = desired
        self._by_flow: Counter[str] = Counter()
        self._by_tenant: Counter[str] = Counter()
        self._met_asleep: set[str] = set()
        """Flows that are asleep although something is due for them. Only these are named to the journal: all that are
        asleep may be thousands."""

    @property
    def room(self) -> int:
        """How many more may be taken, in all."""
        return MOST - len(self.held)

    def take(self, due: Due) -> bool:
        """Hold a delivery; False where its flow is asleep, it or its tenant has no room, or it is held already."""
        if due.flow_id in self._desired.asleep:
            self._met_asleep.add(due.flow_id)
            return False
        if due.delivery_id in self.held or not self._has_room(due.tenant_id, due.flow_id):
            return False
        self.held[due.delivery_id] = due
        self._by_flow[due.flow_id] += 1
        self._by_tenant[due.tenant_id] += 1
        return True

    def free(self, due: Due) -> None:
        """It is settled, or given back."""
        del self.held[due.delivery_id]
        for counts, name in ((self._by_flow, due.flow_id), (self._by_tenant, due.tenant_id)):
            counts[name] -= 1
            if not counts[name]:
                del counts[name]

    def shut(self) -> list[str]:
        """The flows that can take nothing now: full, inactive, or of a tenant that has too much under way."""
        full = [flow for flow, held in self._by_flow.items() if held >= self._most(self._desired.deployments.get(flow))]
        crowded = [tenant for tenant, held in self._by_tenant.items() if held >= MOST_OF_A_TENANT]
        theirs = [one.flow_id for tenant in crowded for one in self._desired.of_tenant(tenant)]
        self._met_asleep &= self._desired.asleep
        return list(dict.fromkeys([*full, *self._met_asleep, *theirs]))

    def _has_room(self, tenant_id: str, flow_id: str) -> bool:
        most = self._most(self._desired.deployments.get(flow_id))
        return self._by_flow[flow_id] < most and self._by_tenant[tenant_id] < MOST_OF_A_TENANT

    def _most(self, deployment: Deployment | None) -> int:
        if deployment is None:
            return UNKNOWN_FLOW
        tenant = self._desired.tenants.get(deployment.tenant_id)
        workers = min(deployment.max_scale, tenant.max_pods) if tenant is not None else deployment.max_scale
        return max(workers, 1) * (deployment.concurrency or UNLIMITED) + MORE_THAN_RUN
