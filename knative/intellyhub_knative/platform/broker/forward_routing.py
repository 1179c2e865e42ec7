"""Which way an event goes on a cluster: through its tenant's Knative Broker, straight to flows, or both. Pure.

Which flows an event is for is decided as on one machine (`routing.py`). A flow gets it from the Broker where its
Trigger takes it and is known to stand; an event that a Broker gets before that is lost there without a word. Whatever
else is for it, a run of an older version that waits, a flow whose Trigger is not there yet or that is asleep, goes
straight to the flow. An event that comes both ways finds the run that it made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from intellyhub_engine.journal.records import RunSummary
from intellyhub_knative.platform.attributes import ADDRESS
from intellyhub_knative.platform.broker.lane_names import is_lane, lane_of
from intellyhub_knative.platform.broker.passage import comes_through, is_plain
from intellyhub_knative.platform.broker.routing import find_flow, route
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.outbox import Routing, Unrouted

__all__ = ["as_posted", "carried_flows", "forward"]

Stands = Callable[[Deployment], bool]
"""Whether a flow's Trigger is known to take events."""


def forward(
    unrouted: Unrouted, desired: Desired, waiting: Collection[RunSummary], sound: Collection[str], stands: Stands
) -> Routing:
    """As `routing.route`; a lane's name among the flows is the delivery to the Broker. `waiting` are the runs that wait
    for the event."""
    waits: dict[str, list[RunSummary]] = {}
    for run in waiting:
        waits.setdefault(run.flow.rpartition("/")[2], []).append(run)
    routed = route(unrouted, desired, waits, sound)
    if unrouted.tenant_id not in desired.tenants or comes_through(unrouted.event) is None:
        return escape(routed)
    address = unrouted.event.extensions.get(ADDRESS)
    carried = [flow for flow in carried_flows(unrouted, desired, sound) if stands(flow)]
    if address and not carried:
        return escape(routed)
    reached = {flow.flow_id for flow in carried_flows(as_posted(unrouted, desired), desired, sound)}
    seen = [flow for flow in carried if flow.flow_id in reached]
    if not is_plain(unrouted.event):
        seen = [flow for flow in seen if address in {flow.flow_id, flow.slug}]
    sure = {flow.flow_id for flow in seen if not is_elsewhere(flow, waits.get(flow.flow_id, ()))}
    straight = [flow_id for flow_id in routed.flow_ids if flow_id not in sure]
    return Routing(unrouted.number, (lane_for(unrouted.tenant_id, carried), *escape(routed, straight).flow_ids))


def as_posted(unrouted: Unrouted, desired: Desired) -> Unrouted:
    """With its flow's id as its address, as Triggers ask for it."""
    address = unrouted.event.extensions.get(ADDRESS)
    addressed = find_flow(unrouted.tenant_id, address, desired) if address else None
    if addressed is None:
        return unrouted
    extensions = {**unrouted.event.extensions, ADDRESS: addressed.flow_id}
    return unrouted._replace(event=replace(unrouted.event, extensions=extensions))


def carried_flows(unrouted: Unrouted, desired: Desired, sound: Collection[str]) -> list[Deployment]:
    """The flows whose Trigger takes the event: those that it is for, waiting runs apart, and that are awake."""
    wanted = {*route(unrouted, desired, (), sound).flow_ids} - desired.asleep
    return [flow for flow in desired.of_tenant(unrouted.tenant_id) if flow.flow_id in wanted]


def is_elsewhere(flow: Deployment, waiting: Collection[RunSummary]) -> bool:
    """Whether a run waits for the event that the flow's own address may not lead to."""
    return any(flow.rollout is not None or run.version != flow.current.digest for run in waiting)


def lane_for(tenant_id: str, carried: Collection[Deployment]) -> str:
    """Where the delivery to the Broker queues: with the flow that it is for, so that a slow one holds up no other."""
    return lane_of(next(iter(carried)).flow_id if len(carried) == 1 else tenant_id)


def escape(routed: Routing, flow_ids: Collection[str] | None = None) -> Routing:
    """Addresses are strangers' words: one that looks like a lane is none."""
    found = routed.flow_ids if flow_ids is None else flow_ids
    return Routing(routed.number, tuple(f"?{each}" if is_lane(each) else each for each in found))
