"""What runs are called: the slugs and names of their flows, and the numbers of their versions."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.orm import Session

from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.present.runs import Names
from intellyhub_control_plane.shapes.runs import RunFlow

__all__ = ["flow_id_of", "names_of", "run_flows"]


def flow_id_of(journal_name: str) -> str:
    """The flow in the journal's name of it, `<tenant_id>/<flow_id>`."""
    return journal_name.rpartition("/")[2]


def run_flows(session: Session, tenant: Tenant, flow_ids: Iterable[str]) -> dict[str, RunFlow]:
    """The tenant's flows by id; one that was deleted meanwhile has no slug."""
    wanted = set(flow_ids)
    found = {flow.id: flow for flow in session.scalars(Flow.of(tenant).where(Flow.id.in_(wanted)))} if wanted else {}
    return {
        flow_id: RunFlow(id=flow_id, slug=flow.slug, name=flow.name)
        if (flow := found.get(flow_id))
        else RunFlow(id=flow_id, slug=None, name=None)
        for flow_id in wanted
    }


def names_of(session: Session, tenant: Tenant, runs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Names]:
    """Names for runs, each given as (the journal's name of its flow, its version's digest)."""
    wanted = set(runs)
    flows = run_flows(session, tenant, (flow_id_of(name) for name, _ in wanted))
    digests = {digest for _, digest in wanted}
    numbers: dict[tuple[str, str], int] = {}
    if digests:
        of_digests = FlowVersion.of(tenant).where(FlowVersion.digest.in_(digests))
        columns = of_digests.with_only_columns(FlowVersion.flow_id, FlowVersion.digest, FlowVersion.number)
        numbers = {(flow_id, digest): number for flow_id, digest, number in session.execute(columns)}
    return {
        (name, digest): Names(flow=flows[flow_id_of(name)], version=numbers.get((flow_id_of(name), digest)))
        for name, digest in wanted
    }
