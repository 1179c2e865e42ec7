"""`/api/runs`: what flows did, step by step; and their log lines."""

from __future__ import annotations

from flask import Response

from intellyhub_control_plane.errors import NotFound
from intellyhub_control_plane.journal_names import prefix_of
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.present.moments import moment_of, nanoseconds
from intellyhub_control_plane.present.names import names_of
from intellyhub_control_plane.present.runs import make_run, make_run_detail, make_steps, run_logs
from intellyhub_control_plane.secrecy import secret_values
from intellyhub_control_plane.shapes.flows import FlowLog, FlowLogs, FlowPath, LogQuery
from intellyhub_control_plane.shapes.runs import RunDetail, RunList, RunPath, RunQuery, StepList
from intellyhub_control_plane.web.area import Area
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.paging import cut, decode_cursor
from intellyhub_engine.errors import RunNotFound
from intellyhub_engine.journal.records import RunHistory
from intellyhub_engine.machine.masking import mask

__all__ = ["own_history", "runs", "show_run"]

STREAM = "X-IntellyHub-Stream"
"""The gateway replaces an answer with this header by a stream from the journal service. We checked the rights."""
SSE = "text/event-stream"

runs = Area("runs", "Runs: what flows did")


@runs.operation("GET", "/api/runs", needs=Role.VIEWER, answers={200: RunList}, faults=(404, 503))
def list_runs(caller: Caller, query: RunQuery) -> RunList:
    """List runs, newest first."""
    flow = Flow.named(caller.session, caller.tenant, query.flow) if query.flow else None
    found = caller.platform.journal.runs(
        flow=flow.journal_name if flow else None,
        under=None if flow else prefix_of(caller.tenant.id),
        status=query.status,
        since_ns=nanoseconds(query.since) if query.since else None,
        until_ns=nanoseconds(query.until) if query.until else None,
        text=query.q or None,
        limit=query.limit + 1,
        before=own_cursor(caller, query.cursor) if query.cursor else None,
    )
    page = cut(found, query.limit, lambda run: [run.run_id])
    names = names_of(caller.session, caller.tenant, ((run.flow, run.version) for run in page.rows))
    secrets = secret_values(caller)
    wait_of = caller.platform.live.wait_of
    items = [make_run(run, names[run.flow, run.version], wait_of(run), secrets) for run in page.rows]
    return RunList.of(items, page.next_cursor)


@runs.operation("GET", "/api/runs/<run_id>", needs=Role.VIEWER, answers={200: RunDetail}, faults=(404, 503))
def get_run(caller: Caller, path: RunPath) -> RunDetail:
    """Get a run with its values."""
    return show_run(caller, own_history(caller, path.run_id))


@runs.operation("GET", "/api/runs/<run_id>/steps", needs=Role.VIEWER, answers={200: StepList}, faults=(404, 503))
def list_steps(caller: Caller, path: RunPath) -> StepList:
    """List the steps of a run."""
    history = own_history(caller, path.run_id)
    secrets = secret_values(caller)
    steps = make_steps(history, secrets)
    return StepList.of(steps, logs=run_logs(history, secrets))


@runs.operation("GET", "/api/runs/<run_id>/events", needs=Role.VIEWER, answers={200: SSE}, faults=(404, 503))
def watch_run(caller: Caller, path: RunPath) -> Response:
    """Follow a run: server-sent events `step`, `log`, `status`, `end`. `Last-Event-ID` goes on where one was."""
    own_history(caller, path.run_id)
    return stream(f"runs/{path.run_id}")


@runs.operation(
    "GET", "/api/flows/<flow_id>/logs", needs=Role.VIEWER, answers={200: FlowLogs}, faults=(404, 503), streams=True
)
def list_logs(caller: Caller, path: FlowPath, query: LogQuery) -> FlowLogs | Response:
    """List the log lines of a flow; with `follow=true` server-sent events as they happen."""
    flow = Flow.named(caller.session, caller.tenant, path.flow_id)
    if query.follow:
        return stream(f"flows/{flow.id}")
    before = decode_cursor(query.cursor, int)[0] if query.cursor else None
    lines = caller.platform.journal.logs(flow.journal_name, limit=query.limit + 1, before=before)
    page = cut(lines, query.limit, lambda line: [line.index])
    secrets = secret_values(caller)
    items = [
        FlowLog(
            at=moment_of(line.at_ns),
            run_id=line.run_id,
            state=line.state,
            level=line.level,
            message=mask(line.message, secrets),
        )
        for line in reversed(page.rows)
    ]
    return FlowLogs.of(items, page.next_cursor)


def own_history(caller: Caller, run_id: str) -> RunHistory:
    """A run of this tenant. Raises `NotFound`, also for a run of another one."""
    try:
        history = caller.platform.journal.history(run_id)
    except RunNotFound:
        raise NotFound("run", run_id) from None
    if not history.start.flow.startswith(prefix_of(caller.tenant.id)):
        raise NotFound("run", run_id)
    return history


def own_cursor(caller: Caller, cursor: str) -> str:
    """The run that the page before ended with."""
    return own_history(caller, decode_cursor(cursor, str)[0]).start.run_id


def show_run(caller: Caller, history: RunHistory) -> RunDetail:
    """A run with its values, masked."""
    key = (history.start.flow, history.start.version)
    names = names_of(caller.session, caller.tenant, [key])[key]
    return make_run_detail(history, names, secret_values(caller))


def stream(topic: str) -> Response:
    """Hand the connection over to the gateway, which watches the journal service for it."""
    return Response("", 200, {STREAM: topic, "Cache-Control": "no-cache"}, mimetype=SSE)
