"""One request in, one answer out: the worker's contract, whichever server carries it (docs/worker.md)."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from intellyhub_engine.errors import (
    EngineError,
    InputInvalid,
    InputUnfit,
    JournalError,
    LeaseLost,
    OtherVersion,
    RunNotFound,
)
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.serving.answers import (
    JSON,
    answer_caller,
    answer_delivery,
    make_accepted,
    make_document,
    with_trace,
)
from intellyhub_engine.serving.decision import Decision, Rules, RunEvent, ShowHealth, ShowMetrics, ShowReady, decide
from intellyhub_engine.serving.gate import Gate
from intellyhub_engine.serving.message import Request, Response
from intellyhub_engine.serving.metrics import CONTENT_TYPE, Metrics
from intellyhub_engine.serving.plain_json import to_json
from intellyhub_engine.serving.problems import Fault, RequestRefused, make_problem
from intellyhub_engine.serving.run_requests import (
    CancelRun,
    DecideRun,
    ForkRun,
    ReplayRun,
    ResumeRun,
    RunRequest,
    ShowRun,
)

if TYPE_CHECKING:
    from intellyhub_engine.serving.runner import Begun, Runner

__all__ = ["Exchange"]

LOG = logging.getLogger(__name__)
HEALTHY = Response(200, b'{"status":"ok"}', JSON)
VERSION_HEADER = "X-IntellyHub-Version"
"""Names the version that has the run, so that the platform can ask that one."""
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0


class Exchange:
    """Answers requests, from several threads at once. Never raises."""

    def __init__(
        self, *, rules: Rules, runner: Runner, gate: Gate, metrics: Metrics, patience_seconds: float = 30.0
    ) -> None:
        self.rules = rules
        self.runner = runner
        self.gate = gate
        self.metrics = metrics
        self.stopping = False
        """Set when the worker has been told to stop: it is no longer ready, but answers what comes."""
        self._patience_seconds = patience_seconds

    @property
    def busy(self) -> bool:
        """Whether a run executes or waits for its turn, also one that no connection waits for."""
        return self.gate.in_flight > 0

    def answer(self, request: Request) -> Response:
        """Answer a request."""
        try:
            decision = decide(request, self.rules, now_ns=time.time_ns(), new_id=new_id)
            response = self.act(decision)
        except RequestRefused as refusal:
            response = refusal.response
        except Exception as fault:  # noqa: BLE001 - the process edge: it is logged there
            response = explain(fault)
        self.metrics.count_answer(response.status)
        return response

    def act(self, decision: Decision) -> Response:
        """Do what was decided."""
        if isinstance(decision, RunEvent):
            return self.run_later(decision) if decision.later else self.run(decision)
        if isinstance(decision, Response):
            return decision
        if isinstance(decision, ShowHealth):
            return HEALTHY
        if isinstance(decision, ShowReady):
            return make_problem(Fault.NOT_READY, "it is stopping") if self.stopping else HEALTHY
        if isinstance(decision, ShowMetrics):
            return Response(200, self.metrics.render(self.gate.in_flight), CONTENT_TYPE)
        return self.act_on_run(decision)

    def act_on_run(self, decision: RunRequest) -> Response:
        """What is asked about a run that exists."""
        if isinstance(decision, ShowRun):
            return Response(200, to_json(make_document(self.runner.show(decision.run_id))), JSON)
        if isinstance(decision, CancelRun):
            if not self.runner.cancel(decision.run_id):
                return make_problem(Fault.RUN_ENDED, "it cannot be cancelled", run_id=decision.run_id)
            return make_accepted(decision.run_id, "cancelling")
        key = ("run", decision.run_id) if isinstance(decision, ResumeRun) else None
        if decision.later:
            return self.work_later(lambda begun: self.go_on(decision, begun), key)
        return answer_caller(self.timed(lambda: self.go_on(decision, None), key))

    def go_on(self, decision: DecideRun | ResumeRun | ReplayRun | ForkRun, begun: Begun | None) -> RunResult:
        """Work on the run that is asked about, or on a copy of it."""
        if isinstance(decision, DecideRun):
            return self.runner.decide(decision.run_id, decision.decision, begun)
        if isinstance(decision, ResumeRun):
            return self.runner.resume(decision.run_id, begun)
        if isinstance(decision, ReplayRun):
            return self.runner.replay(decision.run_id, decision.variables, begun, decision.copy_id)
        return self.runner.fork(decision.run_id, decision.seq, decision.variables, begun, decision.copy_id)

    def run(self, wanted: RunEvent) -> Response:
        """Run the flow while the other side waits."""
        result = self.timed(lambda: self.start(wanted, None), (wanted.event.source, wanted.event.id))
        if not wanted.delivery:
            return answer_caller(result)
        if result.error is not None:
            LOG.warning("run %s failed: %.500r", result.run_id, result.error)
        reply = self.runner.reply(result)
        if reply is not None:
            reply = with_trace(reply, wanted.event.extensions)
        return answer_delivery(result, reply, self.runner.sign)

    def run_later(self, wanted: RunEvent) -> Response:
        """Run the flow while nobody waits."""
        return self.work_later(lambda begun: self.start(wanted, begun), (wanted.event.source, wanted.event.id))

    def work_later(self, work: Callable[[Begun], RunResult], key: tuple[str, str] | None) -> Response:
        """Work in a thread of its own; answer as soon as the run is durable and held, or has failed to be."""
        turning_point = threading.Event()
        outcome: list[str | BaseException] = []

        def settle(what: str | BaseException) -> None:
            outcome.append(what)
            turning_point.set()

        def carry() -> None:
            try:
                settle(self.timed(lambda: work(settle), key).run_id)
            except Exception as fault:  # noqa: BLE001 - raised again in the thread that waits
                LOG.warning("what was accepted came to nothing: %s", fault)
                settle(fault)

        threading.Thread(target=carry, name="accepted").start()
        turning_point.wait()
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return make_accepted(outcome[0], "running")

    def timed(self, work: Callable[[], RunResult], key: tuple[str, str] | None) -> RunResult:
        """Take a turn, and count what came of it."""
        self.gate.enter(key)
        try:
            began = time.perf_counter()
            result = work()
            self.metrics.count_run(result.status.value, time.perf_counter() - began)
            return result
        finally:
            self.gate.leave(key)

    def start(self, wanted: RunEvent, begun: Begun | None) -> RunResult:
        """Start a run. While another worker has it, wait for that one to end it, within bounds."""
        try:
            return self.runner.start(wanted.event, begun, wanted.variables)
        except LeaseLost:
            return self.start_patiently(wanted, begun)

    def start_patiently(self, wanted: RunEvent, begun: Begun | None) -> RunResult:
        """Try again, at growing intervals."""
        deadline = time.monotonic() + self._patience_seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise RequestRefused(
                    Fault.IN_FLIGHT,
                    "another worker has this event in hand; send it again",
                    headers=(("Retry-After", "5"),),
                )
            time.sleep(min(pause, left))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            try:
                return self.runner.start(wanted.event, begun, wanted.variables)
            except LeaseLost:
                continue


def new_id() -> str:
    """The id of an event whose sender gave none."""
    return os.urandom(16).hex()


def explain(fault: Exception) -> Response:
    """A fault that no request is to blame for, as an answer without internals."""
    if isinstance(fault, RunNotFound):
        return make_problem(Fault.NOT_FOUND, "no run of this flow has that id", run_id=fault.run_id)
    if isinstance(fault, LeaseLost):
        return make_problem(Fault.IN_FLIGHT, "another worker has the run in hand", retry_after_seconds=5)
    if isinstance(fault, JournalError):
        LOG.error("the journal failed: %s", fault)
        return make_problem(Fault.JOURNAL_UNAVAILABLE, "the journal cannot be written now", retry_after_seconds=5)
    if isinstance(fault, OtherVersion):
        headers = ((VERSION_HEADER, fault.version),)
        return make_problem(Fault.OTHER_VERSION, str(fault), headers=headers)
    if isinstance(fault, InputUnfit):
        return make_problem(Fault.INPUT_UNFIT, str(fault))
    if isinstance(fault, InputInvalid):
        return make_problem(Fault.BAD_REQUEST, str(fault))
    if isinstance(fault, EngineError):
        LOG.error("a request failed: %s", fault)
    else:
        LOG.error("a request failed", exc_info=fault)
    return make_problem(Fault.INTERNAL, "the fault is in the worker's log")
