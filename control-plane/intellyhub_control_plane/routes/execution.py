"""What is done to flows and runs: execute, cancel, resume, replay, fork. Each is done by the flow's own worker."""

from __future__ import annotations

import time

from intellyhub_control_plane.errors import NotNow, found
from intellyhub_control_plane.flow_door import begin_run, decide_run, repeat_run
from intellyhub_control_plane.flow_door import resume_run as wake_run
from intellyhub_control_plane.journal_names import flow_id_of
from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.present.moments import moment_of
from intellyhub_control_plane.present.runs import last_suspension
from intellyhub_control_plane.routes.runs import own_history, show_run
from intellyhub_control_plane.shapes.flows import Execute, FlowPath, IdempotencyHeaders
from intellyhub_control_plane.shapes.runs import (
    FlowStarted,
    Fork,
    GivenEvent,
    Replay,
    Resume,
    RunDetail,
    RunPath,
    RunStarted,
)
from intellyhub_control_plane.shapes.shape import write_moment
from intellyhub_control_plane.web.area import Area, Reply
from intellyhub_control_plane.web.caller import Caller
from intellyhub_engine.journal.records import RunHistory, RunStatus

__all__ = ["execution"]

ENDED = "the run has already ended"
UNFINISHED = frozenset((RunStatus.RUNNING, RunStatus.WAITING))
FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.25

execution = Area("execution", "Starting, stopping and repeating runs")


@execution.operation(
    "POST",
    "/api/flows/<flow_id>/execute",
    needs=Role.OPERATOR,
    answers={202: FlowStarted, 200: RunDetail},
    faults=(404, 409, 503),
)
def execute_flow(caller: Caller, path: FlowPath, header: IdempotencyHeaders, body: Execute) -> Reply:
    """Run a flow now. Without `event` a flow with a listener runs on the listener's sample, and the answer says so."""
    flow = Flow.named(caller.session, caller.tenant, path.flow_id)
    caller.audit("flow.executed", flow.id, version=flow.current_version)
    given = given_event(caller, flow, body)
    caller.session.commit()
    deadline = time.monotonic() + body.wait_seconds
    run_id = begin_run(caller, flow, body.event, body.variables, header.idempotency_key)
    if body.wait_seconds and has_ended(caller, run_id, deadline):
        return Reply(show_run(caller, caller.platform.journal.history(run_id)), 200)
    started = FlowStarted(run_id=run_id, status_url=f"/api/runs/{run_id}", event=given)
    return Reply(started, 202, {"Location": started.status_url})


def given_event(caller: Caller, flow: Flow, body: Execute) -> GivenEvent:
    """What the run has for its event."""
    if body.event is not None:
        return GivenEvent.GIVEN
    return GivenEvent.SAMPLE if flow.listener(caller.session) is not None else GivenEvent.NONE


@execution.operation(
    "POST", "/api/runs/<run_id>/cancel", needs=Role.OPERATOR, answers={202: RunStarted}, faults=(404, 409, 503)
)
def cancel_run(caller: Caller, path: RunPath) -> RunStarted:
    """Ask a run to stop."""
    check_unfinished(own_history(caller, path.run_id))
    caller.audit("run.cancelled", path.run_id)
    caller.session.commit()
    if not caller.platform.journal.request_cancel(path.run_id):
        raise NotNow(ENDED)
    return make_started(path.run_id)


@execution.operation(
    "POST", "/api/runs/<run_id>/resume", needs=Role.OPERATOR, answers={202: RunStarted}, faults=(404, 409, 503)
)
def resume_run(caller: Caller, path: RunPath, body: Resume) -> RunStarted:
    """Answer what a waiting run asks; without a decision, go on with a run whose time has come or whose worker died."""
    history = own_history(caller, path.run_id)
    check_unfinished(history)
    flow = flow_of(caller, history)
    number = version_of(caller, flow, history)
    decides = "decision" in body.model_fields_set
    if not decides:
        check_due(history)
    caller.audit("run.decided" if decides else "run.resumed", path.run_id)
    caller.session.commit()
    if decides:
        return make_started(decide_run(caller, flow, number, path.run_id, body.decision))
    return make_started(wake_run(caller, flow, number, path.run_id))


@execution.operation(
    "POST", "/api/runs/<run_id>/replay", needs=Role.OPERATOR, answers={202: RunStarted}, faults=(404, 409, 503)
)
def replay_run(caller: Caller, path: RunPath, body: Replay) -> RunStarted:
    """Run the same event again, as a new run."""
    flow, number = place_to_repeat(caller, path.run_id, body, "run.replayed")
    return make_started(repeat_run(caller, flow, number, path.run_id, "replays", {}))


@execution.operation(
    "POST", "/api/runs/<run_id>/fork", needs=Role.OPERATOR, answers={202: RunStarted}, faults=(404, 409, 503)
)
def fork_run(caller: Caller, path: RunPath, body: Fork) -> RunStarted:
    """Run again from one step on, with other values."""
    flow, number = place_to_repeat(caller, path.run_id, body, "run.forked")
    document = {"seq": body.seq, "variables": body.variables}
    return make_started(repeat_run(caller, flow, number, path.run_id, "forks", document))


def check_unfinished(history: RunHistory) -> None:
    """Raises `NotNow`."""
    if history.status not in UNFINISHED:
        raise NotNow(ENDED)


def check_due(history: RunHistory) -> None:
    """Raises `NotNow` where waking the run would change nothing: it would find what it waits for still missing."""
    waits = last_suspension(history.entries) if history.status is RunStatus.WAITING else None
    if waits is None or (waits.until_ns is not None and waits.until_ns <= time.time_ns()):
        return
    if waits.approval is not None:
        raise NotNow("the run waits for a person's answer to its question: give a `decision`, such as true")
    if waits.event_filter is not None:
        raise NotNow("the run waits for an event: post one that it waits for to /events")
    if waits.until_ns is not None:
        raise NotNow(f"the run waits for its time, {write_moment(moment_of(waits.until_ns))}, and goes on by itself")


def place_to_repeat(caller: Caller, run_id: str, wanted: Replay, action: str) -> tuple[Flow, int]:
    """The run's flow, and the version to copy the run to. Ends the transaction."""
    flow = flow_of(caller, own_history(caller, run_id))
    number = flow.version(caller.session, wanted.version).number if wanted.version else flow.current_version
    caller.audit(action, run_id, version=number)
    caller.session.commit()
    return flow, number


def flow_of(caller: Caller, history: RunHistory) -> Flow:
    """The flow of a run of the caller's."""
    return Flow.named(caller.session, caller.tenant, flow_id_of(history.start.flow))


def version_of(caller: Caller, flow: Flow, history: RunHistory) -> int:
    """The number of the version that a run began on. Raises `NotFound`."""
    wanted = FlowVersion.without_text(flow.versions).where(FlowVersion.digest == history.start.version)
    return found(caller.session.scalar(wanted), "version", history.start.version[:12]).number


def has_ended(caller: Caller, run_id: str, deadline: float) -> bool:
    """Wait for the run's end until the deadline (`time.monotonic`); whether it came. A process lets half of its threads
    wait; who comes after them is told 202 at once, and can watch the run instead."""
    waiting = caller.platform.waiting
    if not waiting.acquire(blocking=False):
        return False
    try:
        after, pause = 0, FIRST_PAUSE_SECONDS
        while True:
            for frame in caller.platform.journal.entries(run_id, after=after):
                after = frame.index
                if frame.status not in UNFINISHED:
                    return True
            if (left := deadline - time.monotonic()) <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    finally:
        waiting.release()


def make_started(run_id: str) -> RunStarted:
    return RunStarted(run_id=run_id, status_url=f"/api/runs/{run_id}")
