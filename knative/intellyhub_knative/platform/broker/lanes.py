"""How many deliveries may be under way: in all, for one tenant, for one flow. So nobody's slowness is another's.

Beyond those under way a few wait here for their turn, so that a page of the journal is read once, and not again for
each delivery that ends. They are no promise: the journal has them until they are settled.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

from intellyhub_engine.events import Event
from intellyhub_engine.serving.plain_json import to_json
from intellyhub_knative.platform.broker.lane_names import flow_of, is_lane, lane_of
from intellyhub_knative.platform.counting import subtract
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.outbox import Due

__all__ = ["Lanes"]

MOST = 1024
MOST_OF_A_TENANT = 256
MOST_BYTES = 256 << 20
MOST_BYTES_OF_A_TENANT = 64 << 20
"""Of the data of what is held. One delivery is always possible, however large."""
MORE_THAN_RUN = 2
"""Deliveries that wait in a flow's socket, so that a worker that ends a run finds the next one there."""
UNLIMITED = 32
"""What a worker without a limit of its own is given at a time."""
UNKNOWN_FLOW = 8
"""For flows without a deployment: their deliveries only become dead letters."""
OF_SEVERAL = 32
"""Events for a tenant's Knative Broker that are not for exactly one flow."""
MOST_WAITING = 1024
MOST_WAITING_OF_A_TENANT = 256
MOST_WAITING_OF_A_FLOW = 100
MOST_WAITING_BYTES = 64 << 10
"""Of one delivery; larger ones wait in the journal."""


class Lanes:
    """Counts what is held, from `take` until `free`: what is under way, and what waits for its turn."""

    def __init__(self, desired: Desired) -> None:
        self.held: dict[int, Due] = {}
        self.under_way = 0
        """How many are held and do not wait."""
        self._desired = desired
        self._by_flow: Counter[str] = Counter()
        self._by_tenant: Counter[str] = Counter()
        self._waiting: dict[str, deque[Due]] = {}
        self._waiting_by_tenant: Counter[str] = Counter()
        self._sizes: dict[int, int] = {}
        self._bytes_by_tenant: Counter[str] = Counter()
        self._bytes = 0
        self._too_large: set[str] = set()
        """Flows and tenants (ids) with a delivery that is too large now, until one of theirs ends."""
        self._met_asleep: set[str] = set()
        """Flows that are asleep although something is due for them. Only these are named to the journal: all that are
        asleep may be thousands."""
        self._met_lanes = False
        """Whether any delivery has gone to a Knative Broker: on one machine none does."""

    @property
    def room(self) -> int:
        """How many more may be taken, in all."""
        return MOST + MOST_WAITING - len(self.held) if self._bytes < MOST_BYTES else 0

    def take(self, due: Due) -> bool:
        """Hold a delivery until its turn; False where its flow is asleep, there is no place, or it is held already."""
        self._met_lanes = self._met_lanes or is_lane(due.flow_id)
        if self.is_asleep(due):
            self._met_asleep.add(due.flow_id)
            return False
        if due.delivery_id in self.held or not (self._has_turn(due) or self._has_place(due.tenant_id, due.flow_id)):
            return False
        size = size_of(due.event)
        if size > MOST_WAITING_BYTES and not self._has_turn(due):
            self._too_large.add(due.flow_id)
            return False
        theirs = self._bytes_by_tenant[due.tenant_id]
        if theirs and theirs + size > MOST_BYTES_OF_A_TENANT:
            self._too_large.add(due.tenant_id)
            return False
        self.held[due.delivery_id] = due
        self._waiting.setdefault(due.flow_id, deque()).append(due)
        self._waiting_by_tenant[due.tenant_id] += 1
        self._sizes[due.delivery_id] = size
        self._bytes_by_tenant[due.tenant_id] += size
        self._bytes += size
        return True

    def is_asleep(self, due: Due) -> bool:
        """Whether it is kept until its flow, or its tenant, is active again."""
        return due.flow_id in self._desired.asleep or (is_lane(due.flow_id) and self._is_lane_asleep(due.flow_id))

    def turns(self) -> Iterator[Due]:
        """Those whose turn it is; from now on they are under way."""
        for flow_id, waiting in tuple(self._waiting.items()):
            while waiting and self._has_turn(waiting[0]):
                due = waiting.popleft()
                subtract(self._waiting_by_tenant, due.tenant_id)
                self._by_flow[flow_id] += 1
                self._by_tenant[due.tenant_id] += 1
                self.under_way += 1
                yield due
            if not waiting:
                del self._waiting[flow_id]

    def free(self, due: Due) -> None:
        """One that was under way is settled, or given back."""
        del self.held[due.delivery_id]
        size = self._sizes.pop(due.delivery_id)
        subtract(self._by_flow, due.flow_id)
        subtract(self._by_tenant, due.tenant_id)
        subtract(self._bytes_by_tenant, due.tenant_id, size)
        self._bytes -= size
        self.under_way -= 1
        self._too_large -= {due.flow_id, due.tenant_id}

    def shut(self) -> list[str]:
        """The flows of which nothing more is wanted now: full, inactive, or of a tenant that has too much under way."""
        full = [flow_id for flow_id in self._by_flow if self._is_full(flow_id)]
        crowded = [
            tenant
            for tenant, under_way in self._by_tenant.items()
            if under_way >= MOST_OF_A_TENANT or tenant in self._too_large
        ]
        theirs = [name for tenant in crowded for name in self._names_of(tenant)]
        self._met_asleep = {
            name for name in self._met_asleep if name in self._desired.asleep or self._is_lane_asleep(name)
        }
        return list(dict.fromkeys([*full, *self._met_asleep, *theirs]))

    def _has_turn(self, due: Due) -> bool:
        return (
            self._by_flow[due.flow_id] < self._most(due.flow_id)
            and self._by_tenant[due.tenant_id] < MOST_OF_A_TENANT
            and self.under_way < MOST
        )

    def _has_place(self, tenant_id: str, flow_id: str) -> bool:
        """Whether one more may wait."""
        return (
            len(self._waiting.get(flow_id, ())) < MOST_WAITING_OF_A_FLOW
            and self._waiting_by_tenant[tenant_id] < MOST_WAITING_OF_A_TENANT
            and len(self.held) - self.under_way < MOST_WAITING
        )

    def _is_full(self, flow_id: str) -> bool:
        """Whether all its turns are taken, and enough wait for the next ones or no more can."""
        most, waiting = self._most(flow_id), self._waiting.get(flow_id, ())
        if self._by_flow[flow_id] < most:
            return False
        is_supplied = len(waiting) >= min(most, MOST_WAITING_OF_A_FLOW // 2)
        tenant_id = self._tenant_of(flow_id)
        return is_supplied or flow_id in self._too_large or tenant_id is None or not self._has_place(tenant_id, flow_id)

    def _names_of(self, tenant_id: str) -> Iterator[str]:
        """All that deliveries of a tenant can go by."""
        flows = [one.flow_id for one in self._desired.of_tenant(tenant_id)]
        yield from flows
        if self._met_lanes:
            yield from map(lane_of, (tenant_id, *flows))

    def _tenant_of(self, name: str) -> str | None:
        deployment = self._desired.deployments.get(flow_of(name))
        if deployment is not None:
            return deployment.tenant_id
        return flow_of(name) if is_lane(name) and flow_of(name) in self._desired.tenants else None

    def _is_lane_asleep(self, name: str) -> bool:
        tenant = self._desired.tenants.get(flow_of(name))
        return flow_of(name) in self._desired.asleep or (tenant is not None and tenant.suspended)

    def _most(self, flow_id: str) -> int:
        deployment = self._desired.deployments.get(flow_of(flow_id))
        if deployment is None:
            return OF_SEVERAL if is_lane(flow_id) else UNKNOWN_FLOW
        tenant = self._desired.tenants.get(deployment.tenant_id)
        workers = min(deployment.max_scale, tenant.max_pods) if tenant is not None else deployment.max_scale
        return max(workers, 1) * (deployment.concurrency or UNLIMITED) + MORE_THAN_RUN


def size_of(event: Event) -> int:
    """About how many bytes an event's data has."""
    return len(event.data if isinstance(event.data, str | bytes) else to_json(event.data))
