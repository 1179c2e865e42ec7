"""What runs are called: the slugs and names of their flows, and the numbers of their versions."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.present.runs import Names
from intellyhub_control_plane.shapes.runs import RunFlow

__all__ = ["flow_id_of", "names_of", "run_flows"]

FLOWS = select(Flow.id, Flow.slug, Flow.name).where(
    Flow.tenant_id == bindparam("tenant_id"), Flow.id.in_(bindparam("flow_ids", expanding=True))
)
NUMBERS = select(FlowVersion.flow_id, FlowVersion.digest, FlowVersion.number).where(
    FlowVersion.tenant_id == bindparam("tenant_id"),
    FlowVersion.flow_id.in_(bindparam("flow_ids", expanding=True)),
    FlowVersion.digest.in_(bindparam("digests", expanding=True)),
)


def flow_id_of(journal_name: str) -> str:
    """The flow in the journal's name of it, `<tenant_id>/<flow_id>`."""
    return journal_name.rpartition("/")[2]


def run_flows(session: Session, tenant: Tenant, flow_ids: Iterable[str]) -> dict[str, RunFlow]:
    """The tenant's flows by id; one that was deleted meanwhile has no slug."""
    wanted = set(flow_ids)
    rows = session.execute(FLOWS, {"tenant_id": tenant.id, "flow_ids": list(wanted)}) if wanted else ()
    found = {flow_id: RunFlow(id=flow_id, slug=slug, name=name) for flow_id, slug, name in rows}
    return {flow_id: found.get(flow_id) or RunFlow(id=flow_id, slug=None, name=None) for flow_id in wanted}


def names_of(session: Session, tenant: Tenant, runs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Names]:
    """Names for runs, each given as (the journal's name of its flow, its version's digest)."""
    wanted = {(name, digest): flow_id_of(name) for name, digest in runs}
    flows, numbers = run_flows(session, tenant, wanted.values()), {}
    if wanted:
        digests = list({digest for _, digest in wanted})
        given = {"tenant_id": tenant.id, "flow_ids": list(flows), "digests": digests}
        numbers = {(flow_id, digest): number for flow_id, digest, number in session.execute(NUMBERS, given)}
    return {
        (name, digest): Names(flow=flows[flow_id], version=numbers.get((flow_id, digest)))
        for (name, digest), flow_id in wanted.items()
    }
