"""`/api/flows`: what a tenant automates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from flask import request

from intellyhub_control_plane.errors import FlowRefused, NotNow
from intellyhub_control_plane.examination import examine_here, provide_packages
from intellyhub_control_plane.live import Known
from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.idempotency import KeptAnswer
from intellyhub_control_plane.models.names import make_slug
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.present.builds import find_building
from intellyhub_control_plane.present.flows import make_flow
from intellyhub_control_plane.present.texts import Examined
from intellyhub_control_plane.shapes.flows import (
    CreateFlow,
    FlowCreated,
    FlowDetail,
    FlowHeaders,
    FlowList,
    FlowPath,
    FlowQuery,
    FlowStatus,
    FlowUpdated,
    IdempotencyHeaders,
    ReadHeaders,
    UpdateFlow,
    Validate,
    Validation,
)
from intellyhub_control_plane.shapes.flows import Flow as FlowShape
from intellyhub_control_plane.web.address import public_url
from intellyhub_control_plane.web.area import Area, Reply
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.paging import paginate

__all__ = ["check_rollouts", "examine_current", "flow_to_change", "flows", "publish", "show"]

READY_SECONDS = 2.0
"""How long a publication waits for the flow's socket to accept. It goes on without the one who asked."""
Shape = TypeVar("Shape", bound=FlowShape)

flows = Area("flows", "Flows: what a tenant automates")


@flows.operation("GET", "/api/flows", needs=Role.VIEWER, answers={200: FlowList})
def list_flows(caller: Caller, query: FlowQuery) -> FlowList:
    """List flows."""
    keys = (Flow.created_at, Flow.id)
    matching = Flow.beside(Flow.matching(caller.tenant, query.q), FlowVersion.listener)
    page = paginate(caller.session, matching, keys, limit=query.limit, cursor=query.cursor)
    known = know(caller, [flow.id for flow, _ in page.rows])
    address = public_url()
    items = [make_flow(FlowShape, caller.tenant, flow, listener, known, address) for flow, listener in page.rows]
    return FlowList.of(items, page.next_cursor)


@flows.operation("POST", "/api/flows", needs=Role.EDITOR, answers={201: FlowCreated}, faults=(402, 409))
def create_flow(caller: Caller, header: IdempotencyHeaders, body: CreateFlow) -> Reply:
    """Publish a new flow."""
    examined = examine_here(caller, body.yaml_content, body.name, also=body.slug or make_slug(body.name, "flow"))
    key, content = header.idempotency_key, request.get_data()
    if key is not None:
        made = KeptAnswer.find(caller.session, caller.tenant, "createFlow", key, content)
        if made is not None:
            return show_created(caller, Flow.named(caller.session, caller.tenant, made), examined)
    if not examined.is_valid:
        raise FlowRefused(examined.problems)
    provide_packages(caller, examined)
    flow = Flow.create(caller.session, caller.tenant, name=body.name, slug=body.slug)
    put_text(caller, flow, body.yaml_content, examined)
    if key is not None:
        KeptAnswer.keep(caller.session, caller.tenant, "createFlow", key, content, flow.id)
    caller.audit("flow.created", flow.id, slug=flow.slug, version=flow.current_version)
    publish(caller, flow)
    return show_created(caller, flow, examined)


@flows.operation("POST", "/api/flows/validate", needs=Role.VIEWER, answers={200: Validation})
def validate_flow(caller: Caller, body: Validate) -> Validation:
    """Check a flow's text, and draw its machine."""
    examined = examine_here(caller, body.yaml_content, "flow")
    return Validation(
        valid=examined.is_valid,
        problems=list(examined.problems),
        graph=examined.graph,
        listener=examined.shown_listener,
    )


@flows.operation("GET", "/api/flows/<flow_id>", needs=Role.VIEWER, answers={200: FlowDetail, 304: None}, faults=(404,))
def get_flow(caller: Caller, path: FlowPath, header: ReadHeaders) -> Reply:
    """Get a flow with its text. Its ETag is that of what was published: not of its state, its workers, its last run."""
    flow = Flow.named(caller.session, caller.tenant, path.flow_id)
    if header.has(flow.etag):
        return Reply(None, 304, {"ETag": flow.etag})
    version = flow.current(caller.session)
    examined = examine_here(caller, version.text, flow.name)
    return show(FlowDetail, caller, flow, examined, yaml_content=version.text, graph=examined.graph)


@flows.operation("PUT", "/api/flows/<flow_id>", needs=Role.EDITOR, answers={200: FlowUpdated}, faults=(404, 409, 412))
def update_flow(caller: Caller, path: FlowPath, header: FlowHeaders, body: UpdateFlow) -> Reply:
    """Change a flow. A new text is published as a new version."""
    examined = None
    if body.yaml_content is not None:
        examined = examine_here(caller, body.yaml_content, body.name or path.flow_id)
        if not examined.is_valid:
            raise FlowRefused(examined.problems)
        provide_packages(caller, examined)
    flow = flow_to_change(caller, path, header)
    before = flow.current_version
    if examined is not None and body.yaml_content is not None:
        put_text(caller, flow, body.yaml_content, examined)
    flow.change(name=body.name, active=body.active, min_scale=body.min_scale)
    if body.rollout is not None:
        check_rollouts(caller)
        if flow.current_version != before:
            flow.roll_out(caller.session, before, **body.rollout.model_dump())
    caller.audit("flow.changed", flow.id, **changes_of(body), version=flow.current_version)
    publish(caller, flow)
    return show(FlowUpdated, caller, flow, examined or examine_current(caller, flow))


@flows.operation("DELETE", "/api/flows/<flow_id>", needs=Role.EDITOR, answers={204: None}, faults=(404, 412))
def delete_flow(caller: Caller, path: FlowPath, header: FlowHeaders) -> None:
    """Delete a flow, its runs and what is recorded of them."""
    flow = flow_to_change(caller, path, header)
    caller.session.delete(flow)
    caller.audit("flow.deleted", flow.id, slug=flow.slug, name=flow.name)
    caller.session.commit()
    caller.platform.publisher.retire_flow(caller.tenant.id, flow.id)


@flows.operation("GET", "/api/flows/<flow_id>/status", needs=Role.VIEWER, answers={200: FlowStatus}, faults=(404,))
def get_flow_status(caller: Caller, path: FlowPath) -> FlowStatus:
    """Tell what a flow is doing."""
    flow = Flow.named(caller.session, caller.tenant, path.flow_id)
    known = know(caller, [flow.id])
    shown = make_flow(FlowShape, caller.tenant, flow, flow.listener(caller.session), known, public_url())
    return FlowStatus(
        id=flow.id,
        slug=flow.slug,
        version=flow.current_version,
        active=flow.active,
        state=shown.state,
        status=shown.state,
        workers=shown.workers,
        source=shown.source,
        last_run=shown.last_run,
        runs=dict(caller.platform.journal.counts_of(flow.journal_name)),
    )


def know(caller: Caller, flow_ids: Sequence[str]) -> Known:
    """How flows are at this moment, and how far their builds are."""
    known = caller.platform.live.known(caller.tenant.id, flow_ids)
    if not caller.platform.publisher.target.has_images:
        return known
    return replace(known, building=find_building(caller.session, caller.tenant, flow_ids))


def flow_to_change(caller: Caller, path: FlowPath, header: FlowHeaders) -> Flow:
    """The flow, which nobody else changes meanwhile. Raises `NotFound`, and `Stale` where the client has read another
    state of it."""
    flow = Flow.named(caller.session, caller.tenant, path.flow_id, to_change=True)
    flow.check_etag(header.if_match)
    return flow


def put_text(caller: Caller, flow: Flow, text: str, examined: Examined) -> None:
    """Make a text the flow's current version."""
    flow.publish(caller.session, text, caller.user, listener=examined.listener, variables=examined.variables)


def publish(caller: Caller, flow: Flow) -> None:
    """Commit, then deploy. The database is the truth: what cannot be deployed now is deployed by the next pass, and
    the flow's state says so meanwhile."""
    caller.session.commit()
    publisher = caller.platform.publisher
    deployment = publisher.offer_flow(caller.tenant.id, flow.id)
    if deployment is not None and deployment.active:
        publisher.target.await_ready(deployment, READY_SECONDS)


def check_rollouts(caller: Caller) -> None:
    """Raises `NotNow` where a version is not an image of its own."""
    if not caller.platform.publisher.target.has_images:
        raise NotNow("requests can be split between versions on a cluster only; here a new version has all at once")


def examine_current(caller: Caller, flow: Flow) -> Examined:
    """What there is to say about the current text."""
    return examine_here(caller, flow.current(caller.session).text, flow.name)


def show(
    shape: type[Shape],
    caller: Caller,
    flow: Flow,
    examined: Examined,
    *,
    known: Known | None = None,
    status: int = 200,
    **more: Any,
) -> Reply:
    """A flow with its problems and its ETag. `known`: how it is; None asks."""
    if known is None:
        known = know(caller, [flow.id])
    problems = list(examined.problems)
    document = make_flow(shape, caller.tenant, flow, examined.listener, known, public_url(), problems=problems, **more)
    return Reply(document, status, {"ETag": flow.etag, "Location": f"/api/flows/{flow.id}"})


def show_created(caller: Caller, flow: Flow, examined: Examined) -> Reply:
    """A new flow: nothing runs yet, and what was learned a moment ago says nothing of it."""
    return show(FlowCreated, caller, flow, examined, known=Known(), status=201)


def changes_of(body: UpdateFlow) -> dict[str, Any]:
    """What an audit entry says: the text itself is in the version."""
    return body.model_dump(exclude_none=True, exclude={"yaml_content"})
