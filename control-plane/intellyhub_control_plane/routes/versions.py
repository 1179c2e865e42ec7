"""`/api/flows/{id}/versions`: what was published, and the way back."""

from __future__ import annotations

from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.present.flows import make_version
from intellyhub_control_plane.routes.flows import examine_current, flow_to_change, publish, show
from intellyhub_control_plane.shapes.flows import (
    FlowHeaders,
    FlowPath,
    FlowUpdated,
    FlowVersionDetail,
    VersionList,
    VersionPath,
)
from intellyhub_control_plane.shapes.flows import FlowVersion as VersionShape
from intellyhub_control_plane.shapes.shape import PageQuery
from intellyhub_control_plane.web.area import Area, Reply
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.paging import paginate

__all__ = ["versions"]

versions = Area("versions", "Versions of flows")


@versions.operation(
    "GET", "/api/flows/<flow_id>/versions", needs=Role.VIEWER, answers={200: VersionList}, faults=(404,)
)
def list_versions(caller: Caller, path: FlowPath, query: PageQuery) -> VersionList:
    """List a flow's versions."""
    flow = Flow.named(caller.session, caller.tenant, path.flow_id)
    question, keys = FlowVersion.without_text(flow.versions), (FlowVersion.number,)
    page = paginate(caller.session, question, keys, limit=query.limit, cursor=query.cursor)
    items = [make_version(VersionShape, flow, version) for (version,) in page.rows]
    return VersionList.of(items, page.next_cursor)


@versions.operation(
    "GET",
    "/api/flows/<flow_id>/versions/<version>",
    needs=Role.VIEWER,
    answers={200: FlowVersionDetail},
    faults=(404,),
)
def get_version(caller: Caller, path: VersionPath) -> FlowVersionDetail:
    """Get a version with its text."""
    flow = Flow.named(caller.session, caller.tenant, path.flow_id)
    version = flow.version(caller.session, path.version)
    return make_version(FlowVersionDetail, flow, version, yaml_content=version.text)


@versions.operation(
    "POST",
    "/api/flows/<flow_id>/versions/<version>/rollback",
    needs=Role.EDITOR,
    answers={200: FlowUpdated},
    faults=(404, 412),
)
def rollback_flow(caller: Caller, path: VersionPath, header: FlowHeaders) -> Reply:
    """Make a version the current one again."""
    flow = flow_to_change(caller, path, header)
    before = flow.current_version
    flow.roll_back(caller.session, path.version)
    caller.audit("flow.rolled_back", flow.id, version=path.version, before=before)
    publish(caller, flow)
    return show(FlowUpdated, caller, flow, examine_current(caller, flow))
