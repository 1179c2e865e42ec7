"""Which flows an event goes to. Pure."""

from __future__ import annotations

from collections.abc import Collection

from intellyhub_knative.filters import check_filters, matches
from intellyhub_knative.platform.attributes import ADDRESS
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.outbox import Routing, Unrouted

__all__ = ["is_sound", "route"]


def route(unrouted: Unrouted, desired: Desired, waiting: Collection[str], sound: Collection[str]) -> Routing:
    """Deliveries to the flow that the event is addressed to, to those whose filters it passes, and to those with a run
    that waits for it (`waiting`: ids). Only flows of its own tenant. An address that nobody has is kept where nothing
    else is found, so that the event becomes a dead letter that a person can look at. `sound` are the flows whose
    filters can be used."""
    address = unrouted.event.extensions.get(ADDRESS, "")
    addressed = find_flow(unrouted.tenant_id, address, desired) if address else None
    found = [addressed.flow_id] if addressed else []
    for flow in desired.of_tenant(unrouted.tenant_id):
        listens = flow.active and flow.flow_id in sound and matches(unrouted.event, flow.filters)
        if (listens or flow.flow_id in waiting) and flow is not addressed:
            found.append(flow.flow_id)
    if address and not found:
        return Routing(unrouted.number, (address,))
    return Routing(unrouted.number, tuple(found))


def find_flow(tenant_id: str, address: str, desired: Desired) -> Deployment | None:
    """The tenant's flow of this id or slug."""
    found = desired.deployments.get(address)
    if found is None:
        return desired.by_slug(tenant_id, address)
    return found if found.tenant_id == tenant_id else None


def is_sound(flow: Deployment) -> bool:
    """Whether its filters can be used; the control plane refuses others."""
    return bool(flow.filters) and not check_filters(flow.filters)
