"""`/api/flows/{id}/rollout` and `/promote`: how a new version gets its requests, on a cluster."""

from __future__ import annotations

from sqlalchemy import func, select

from intellyhub_control_plane.errors import NotNow
from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.routes.flows import check_rollouts, examine_current, flow_to_change, publish, show
from intellyhub_control_plane.shapes.flows import FlowHeaders, FlowPath, FlowUpdated, StartRollout
from intellyhub_control_plane.web.area import Area, Reply
from intellyhub_control_plane.web.caller import Caller

__all__ = ["rollouts"]

rollouts = Area("rollouts", "Rollouts of new versions, on a cluster")


@rollouts.operation(
    "POST", "/api/flows/<flow_id>/rollout", needs=Role.EDITOR, answers={200: FlowUpdated}, faults=(404, 409, 412)
)
def start_rollout(caller: Caller, path: FlowPath, header: FlowHeaders, body: StartRollout) -> Reply:
    """Give the current version a part of the requests, or another part."""
    flow = flow_to_change(caller, path, header)
    check_rollouts(caller)
    stable = body.stable or (flow.rollout or {}).get("stable") or version_before(caller, flow)
    flow.roll_out(caller.session, stable, **body.model_dump(exclude={"stable"}))
    caller.audit("flow.rollout", flow.id, version=flow.current_version, stable=stable, percent=body.percent)
    publish(caller, flow)
    return show(FlowUpdated, caller, flow, examine_current(caller, flow))


@rollouts.operation(
    "POST", "/api/flows/<flow_id>/promote", needs=Role.EDITOR, answers={200: FlowUpdated}, faults=(404, 409, 412)
)
def promote_flow(caller: Caller, path: FlowPath, header: FlowHeaders) -> Reply:
    """Give the current version all requests."""
    flow = flow_to_change(caller, path, header)
    check_rollouts(caller)
    flow.promote(caller.session)
    caller.audit("flow.promoted", flow.id, version=flow.current_version)
    publish(caller, flow)
    return show(FlowUpdated, caller, flow, examine_current(caller, flow))


def version_before(caller: Caller, flow: Flow) -> int:
    """The newest version that is older than the current one. Raises `NotNow`."""
    older = select(func.max(FlowVersion.number)).where(
        FlowVersion.tenant_id == flow.tenant_id,
        FlowVersion.flow_id == flow.id,
        FlowVersion.number < flow.current_version,
    )
    number = caller.session.scalar(older)
    if number is None:
        raise NotNow("there is no version before this one: say which one has the rest with `stable`")
    return int(number)
