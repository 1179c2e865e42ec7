"""`/api/builds`: how versions of flows become images."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from flask import Response, request

from intellyhub_control_plane.builds.at_home import begin_work
from intellyhub_control_plane.builds.needs import queue_build
from intellyhub_control_plane.builds.telling import MOST_LINES
from intellyhub_control_plane.errors import NotNow, RequestInvalid, RoleTooLow, TooManyRequests
from intellyhub_control_plane.models.builds import Build as Row
from intellyhub_control_plane.models.builds import BuildLine
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.platform import Platform
from intellyhub_control_plane.present.names import run_flows
from intellyhub_control_plane.secrecy import secret_values
from intellyhub_control_plane.shapes.builds import (
    AskBuild,
    Build,
    BuildDetail,
    BuildList,
    BuildLogQuery,
    BuildPath,
    BuildQuery,
    BuildStage,
)
from intellyhub_control_plane.shapes.flows import FlowPath
from intellyhub_control_plane.shapes.problems import FieldFault
from intellyhub_control_plane.shapes.runs import RunFlow
from intellyhub_control_plane.shapes.shape import PageQuery
from intellyhub_control_plane.web.area import Area
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.paging import paginate
from intellyhub_engine.machine.masking import mask
from intellyhub_knative.builds.stages import StageStatus
from intellyhub_knative.images.destination import Destination, parse
from intellyhub_knative.images.errors import ReferenceInvalid
from intellyhub_knative.images.reference import Reference

__all__ = ["builds"]

SSE = "text/event-stream"
TEXT = "text/plain"
LOOK_SECONDS = 0.5
BEAT_SECONDS = 15.0
LONGEST_STREAM_SECONDS = 90.0
"""Then a client comes again with `Last-Event-ID`: a stream holds one of the process's threads."""

builds = Area("builds", "Builds: versions of flows become images")


@builds.operation("GET", "/api/builds", needs=Role.VIEWER, answers={200: BuildList}, faults=(404,))
def list_builds(caller: Caller, query: BuildQuery) -> BuildList:
    """List builds."""
    question = Row.of(caller.tenant)
    if query.flow is not None:
        question = question.where(Row.flow_id == Flow.named(caller.session, caller.tenant, query.flow).id)
    if query.status is not None:
        question = question.where(Row.status == query.status)
    keys = (Row.created_at, Row.id)
    page = paginate(caller.session, question, keys, limit=query.limit, cursor=query.cursor)
    return BuildList.of(show_all(caller, [row for (row,) in page.rows]), page.next_cursor)


@builds.operation("GET", "/api/flows/<flow_id>/builds", needs=Role.VIEWER, answers={200: BuildList}, faults=(404,))
def list_flow_builds(caller: Caller, path: FlowPath, query: PageQuery) -> BuildList:
    """List the builds of a flow."""
    flow = Flow.named(caller.session, caller.tenant, path.flow_id)
    question = Row.of(caller.tenant).where(Row.flow_id == flow.id)
    keys = (Row.created_at, Row.id)
    page = paginate(caller.session, question, keys, limit=query.limit, cursor=query.cursor)
    return BuildList.of(show_all(caller, [row for (row,) in page.rows]), page.next_cursor)


@builds.operation(
    "POST", "/api/flows/<flow_id>/builds", needs=Role.EDITOR, answers={202: BuildDetail}, faults=(404, 409, 429)
)
def build_flow(caller: Caller, path: FlowPath, body: AskBuild) -> BuildDetail:
    """Build the current version of a flow."""
    flow = Flow.named(caller.session, caller.tenant, path.flow_id, to_change=True)
    target = check_target(caller, body.to)
    author, settings = caller.user.email, caller.platform.settings
    if not settings.engine_image:
        raise NotNow("nothing can be built here: INTELLYHUB_ENGINE_IMAGE names no engine image")
    if target:
        build = Row.ask(caller.session, flow, flow.current_version, target=target, key="", author=author)
    else:
        layout = caller.platform.layout
        build = queue_build(caller.session, layout, caller.tenant, flow, settings.engine_image, author=author)
    caller.audit("build.asked", build.id, flow=flow.id, version=build.version, to=target)
    shown = show_detail(caller, build)
    caller.session.commit()
    begin_work(caller.platform)
    return shown


@builds.operation("GET", "/api/builds/<build_id>", needs=Role.VIEWER, answers={200: BuildDetail}, faults=(404,))
def get_build(caller: Caller, path: BuildPath) -> BuildDetail:
    """Get a build with its stages."""
    return show_detail(caller, Row.named(caller.session, caller.tenant, path.build_id))


@builds.operation(
    "GET", "/api/builds/<build_id>/log", needs=Role.VIEWER, answers={200: TEXT}, faults=(404, 429), streams=True
)
def get_build_log(caller: Caller, path: BuildPath, query: BuildLogQuery) -> Response:
    """Get what a build said; with `follow=true` server-sent events as it happens, `done` as the last one."""
    build = Row.named(caller.session, caller.tenant, path.build_id)
    secrets = secret_values(caller)
    if not query.follow:
        lines = build.lines(caller.session, query.after, MOST_LINES + 1)
        return Response("".join(f"{mask(line.text, secrets)}\n" for line in lines), mimetype=TEXT)
    place = request.headers.get("Last-Event-ID", "")
    after = int(place) if place.isascii() and place.isdigit() and len(place) < 10 else query.after
    build_id = build.id
    caller.session.commit()
    if not caller.platform.waiting.acquire(blocking=False):
        raise TooManyRequests("too many are following already", 5)
    stream = follow(caller.platform, build_id, after, secrets)
    response = Response(stream, mimetype=SSE, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    response.call_on_close(caller.platform.waiting.release)
    return response


@builds.operation(
    "POST", "/api/builds/<build_id>/cancel", needs=Role.EDITOR, answers={202: BuildDetail}, faults=(404, 409)
)
def cancel_build(caller: Caller, path: BuildPath) -> BuildDetail:
    """Cancel a build: at once where it has not begun, else within seconds."""
    build = Row.named(caller.session, caller.tenant, path.build_id)
    caller.session.refresh(build, with_for_update=True)
    build.cancel()
    caller.audit("build.cancelled", build.id, flow=build.flow_id, version=build.version)
    caller.session.flush()
    return show_detail(caller, build)


def check_target(caller: Caller, text: str) -> str:
    """Where an image is to go: to a registry, never into a folder. With the credentials of the machine, which are not
    every tenant's. Raises `RequestInvalid`, `NotNow`, `RoleTooLow`."""
    on_cluster = caller.platform.publisher.target.has_images
    if not text and not on_cluster:
        raise RequestInvalid([FieldFault(location="body.to", message="on one machine say where the image is to go")])
    if not text:
        return ""
    if on_cluster:
        raise NotNow("images of flows go to the platform's registry; for another one: intellyhub build FLOW --to ...")
    if not caller.user.platform_admin:
        raise RoleTooLow("platform administrator", caller.role)
    try:
        found: Destination = parse(text)
    except ReferenceInvalid as fault:
        raise RequestInvalid([FieldFault(location="body.to", message=str(fault))]) from fault
    if not isinstance(found, Reference):
        raise RequestInvalid([FieldFault(location="body.to", message="must be registry/repository:tag")])
    return str(found)


def follow(platform: Platform, build_id: str, after: int, secrets: frozenset[str]) -> Iterator[bytes]:
    """Lines as they come, until the build is over or the stream is old."""
    began = beat = time.monotonic()
    while True:
        lines, status, message = look(platform, build_id, after)
        for line in lines:
            after = line.number
            document = {"stage": line.stage, "text": mask(line.text, secrets)}
            yield b"id: %d\nevent: line\ndata: %b\n\n" % (after, orjson.dumps(document))
        if status is not None:
            document = {"status": status, "message": mask(message, secrets)}
            yield b"id: %d\nevent: done\ndata: %b\n\n" % (after, orjson.dumps(document))
            return
        moment = time.monotonic()
        if moment - began > LONGEST_STREAM_SECONDS:
            return
        if lines or moment - beat > BEAT_SECONDS:
            beat = moment
            yield b": here\n\n"
        time.sleep(LOOK_SECONDS)


def look(platform: Platform, build_id: str, after: int) -> tuple[Sequence[BuildLine], str | None, str]:
    """What is new, and how the build ended."""
    with platform.database.transaction(writing=False) as session:
        build = session.get(Row, build_id)
        if build is None:
            return (), "cancelled", "it was deleted"
        is_over, status, message = not build.is_open, build.status, build.message
        return build.lines(session, after, MOST_LINES + 1), status if is_over else None, message


def show_all(caller: Caller, rows: Sequence[Row]) -> list[Build]:
    """As the API has them."""
    flows = run_flows(caller.session, caller.tenant, (row.flow_id for row in rows))
    return [Build(**fields_of(row, flows[row.flow_id])) for row in rows]


def show_detail(caller: Caller, row: Row) -> BuildDetail:
    """One, with its stages."""
    flows = run_flows(caller.session, caller.tenant, [row.flow_id])
    stages = [
        BuildStage(
            stage=each.stage, status=StageStatus(each.status), milliseconds=each.milliseconds, message=each.message
        )
        for each in row.stages(caller.session)
    ]
    return BuildDetail(**fields_of(row, flows[row.flow_id]), stages=stages)


def fields_of(row: Row, flow: RunFlow) -> dict[str, Any]:
    """What every shape of a build has."""
    names = ("id", "version", "target", "status", "message", "image", "digest", "size", "attempts", "created_by")
    moments = ("created_at", "started_at", "ended_at")
    return {name: getattr(row, name) for name in (*names, *moments)} | {"flow": flow}
