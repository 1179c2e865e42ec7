"""What runs are called: the slugs and names of their flows, and the numbers of their versions."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import Session

from intellyhub_control_plane.journal_names import flow_id_of
from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.present.runs import Names
from intellyhub_control_plane.shapes.runs import RunFlow

__all__ = ["names_of", "run_flows"]

FLOWS = select(Flow.id, Flow.slug, Flow.name).where(
    Flow.tenant_id == bindparam("tenant_id"), Flow.id.in_(bindparam("flow_ids", expanding=True))
)
IS_WANTED = and_(FlowVersion.flow_id == Flow.id, FlowVersion.digest.in_(bindparam("digests", expanding=True)))
WITH_NUMBERS = FLOWS.outerjoin(FlowVersion, IS_WANTED).add_columns(FlowVersion.digest, FlowVersion.number)
"""From the flows to their versions: asked for a tenant's versions, SQLite reads every one that was ever published."""


def run_flows(session: Session, tenant: Tenant, flow_ids: Iterable[str]) -> dict[str, RunFlow]:
    """The tenant's flows by id; one that was deleted meanwhile has no slug."""
    wanted = set(flow_ids)
    rows = session.execute(FLOWS, {"tenant_id": tenant.id, "flow_ids": list(wanted)}) if wanted else ()
    found = {flow_id: RunFlow(id=flow_id, slug=slug, name=name) for flow_id, slug, name in rows}
    return {flow_id: found.get(flow_id) or deleted(flow_id) for flow_id in wanted}


def names_of(session: Session, tenant: Tenant, runs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Names]:
    """Names for runs, each given as (the journal's name of its flow, its version's digest)."""
    wanted = {(name, digest): flow_id_of(name) for name, digest in runs}
    if not wanted:
        return {}
    digests = list({digest for _, digest in wanted})
    given = {"tenant_id": tenant.id, "flow_ids": list(set(wanted.values())), "digests": digests}
    flows, numbers = {}, {}
    for flow_id, slug, name, digest, number in session.execute(WITH_NUMBERS, given):
        flows[flow_id] = RunFlow(id=flow_id, slug=slug, name=name)
        numbers[flow_id, digest] = number
    return {
        (name, digest): Names(flow=flows.get(flow_id) or deleted(flow_id), version=numbers.get((flow_id, digest)))
        for (name, digest), flow_id in wanted.items()
    }


def deleted(flow_id: str) -> RunFlow:
    return RunFlow(id=flow_id, slug=None, name=None)
