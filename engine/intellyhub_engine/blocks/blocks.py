"""The service that runs Python blocks and programs in isolated processes: `step.services["blocks"]`."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from intellyhub_engine.blocks import channel, walls
from intellyhub_engine.blocks.limits import Limits, make_environment
from intellyhub_engine.blocks.output import Output
from intellyhub_engine.blocks.supervision import Ended, Job, supervise
from intellyhub_engine.catalogue.installed import VARIABLE
from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepTimedOut
from intellyhub_engine.language.values.values import MAX_BYTES
from intellyhub_engine.machine.step import Step
from intellyhub_engine.walls import orders

if TYPE_CHECKING:
    from intellyhub_engine.blocks.forking import ForkedHost

__all__ = ["Blocks", "Program", "blocks_of", "make_host_environment"]

HOST = (
    "import sys; sys.path.extend({path!r}); from intellyhub_engine.walls import orders; orders.gate = {gate!r};"
    " from intellyhub_engine.blocks.host import main; main({descriptor})"
)


CLOSE_SECONDS = 5.0
"""What the host process gets to end by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """How a program ended by itself."""

    returncode: int
    """Its exit code; a signal's number, negative, where one ended it."""
    stdout: str
    stderr: str


class Blocks:
    """The host process and the jobs it runs. Thread-safe; the process starts with the first job and again when it died.

    Use it as a context manager, or call `close`. `host` is a host process that lives already (`forking.fork_host`).
    """

    def __init__(self, limits: Limits | None = None, *, host: tuple[socket.socket, ForkedHost] | None = None) -> None:
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._control: socket.socket | None
        self._process: subprocess.Popen[bytes] | ForkedHost | None
        self._control, self._process = host or (None, None)
        self._owner = os.getpid()
        self._inherited: subprocess.Popen[bytes] | ForkedHost | None = None

    def __enter__(self) -> Blocks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the host process and every job it runs."""
        with self._lock:
            self._drop()

    def run_python(self, parts: Any, scope: bytes, step: Step) -> bytes:
        """Run a block's parts on an encoded scope; give the child's answer. Raises StepFailed's kinds."""
        request = {"argv": None, "environment": make_environment(step.workspace), "block": parts, "scope": scope}
        output = Output(step.log, kept_bytes=0, log_bytes=self.limits.log_bytes)
        ended = self._run(request, output, step)
        if not ended.answer or ended.status != 0:
            raise PermanentError(f"the Python block {describe_end(ended.status, self.limits)}")
        return ended.answer

    def run_function(
        self, function: str, given: bytes, step: Step, *, what: str, timeout_seconds: float | None = None
    ) -> bytes:
        """Call `module:function` of ours with bytes, in a process of its own; give its answer. `what` is the work it
        does, as messages say it. Lines it writes after `LEVEL_MARK` keep their level. Raises StepFailed's kinds."""
        request = {
            "argv": None,
            "environment": make_environment(step.workspace),
            "function": function,
            "given": given,
        }
        output = Output(step.log, kept_bytes=0, log_bytes=self.limits.log_bytes)
        ended = self._run(request, output, step, timeout_seconds)
        if not ended.answer or ended.status != 0:
            raise PermanentError(f"{what} {describe_end(ended.status, self.limits)}")
        if ended.answer[:1] == channel.NOT_STARTED:
            raise PermanentError(ended.answer[1:].decode("utf-8", "replace"))
        return ended.answer

    def run_program(self, argv: list[str], step: Step, environment: Mapping[str, str] | None = None) -> Program:
        """Run a program in the workspace, with more environment variables. Raises StepFailed's kinds, but not for its
        exit code."""
        request = {"argv": argv, "environment": make_environment(step.workspace) | dict(environment or {})}
        output = Output(step.log, kept_bytes=self.limits.output_bytes, log_bytes=self.limits.log_bytes)
        ended = self._run(request, output, step)
        if ended.answer:
            raise PermanentError(ended.answer[1:].decode("utf-8", "replace"))
        if output.dropped:
            step.log("warning", f"the output is larger than {self.limits.output_bytes} bytes; the rest is not kept")
        assert ended.status is not None
        return Program(returncode=os.waitstatus_to_exitcode(ended.status), stdout=output.text(1), stderr=output.text(2))

    def _run(self, request: dict[str, Any], output: Output, step: Step, timeout_seconds: float | None = None) -> Ended:
        """One job from start to end; what the step's limits ended, or the shorter time that is given, is raised."""
        allowed = [seconds for seconds in (step.timeout_seconds, timeout_seconds) if seconds is not None]
        timeout_seconds = min(allowed, default=None)
        step.workspace.mkdir(parents=True, exist_ok=True)
        request |= {"limits": asdict(self.limits), "workspace": str(step.workspace)}
        job = Job()
        try:
            number = self._start(job)
            job.send(request)
            ended = supervise(
                job,
                kill=functools.partial(self._kill, number),
                give_up=self._end_host,
                output=output.take,
                timeout_seconds=timeout_seconds,
                cancelled=step.cancelled,
                max_answer_bytes=MAX_BYTES,
            )
        finally:
            job.close_childs()
            job.close()
        output.end()
        raise_if_stopped(ended, timeout_seconds)
        return ended

    def _start(self, job: Job) -> int:
        """Hand a job to the host process, which is started first where there is none."""
        number = next(self._numbers) & 0xFFFFFFFF
        with self._lock:
            for _ in range(2):
                control = self._connect()
                try:
                    channel.send_order(control, channel.START, number, job.childs)
                except OSError:  # the host process has died; one more try with a new one
                    self._drop()
                    continue
                job.close_childs()
                return number
        raise RetryableError("the process that runs Python and programs cannot be reached")

    def _kill(self, number: int) -> None:
        with self._lock, contextlib.suppress(OSError):  # a dead host has no jobs left
            if self._control is not None:
                channel.send_order(self._control, channel.KILL, number)

    def _end_host(self) -> None:
        """Kill a host that does not answer; its jobs die with it, and the next job starts another."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._drop()

    def _connect(self) -> socket.socket:
        if self._control is not None and self._owner != os.getpid():  # after a fork the channel is the parent's
            self._inherited, self._process = self._process, None
            self._drop()
        if self._control is None:
            self._control, end = socket.socketpair()
            with end:
                self._process = spawn(end.fileno())
            self._owner = os.getpid()
        return self._control

    def _drop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def spawn(descriptor: int) -> subprocess.Popen[bytes]:
    """Start a host process that serves the channel `descriptor`; it imports from where this process does. From then on
    programs of flows run beside this process, so it is hidden from them."""
    walls.hide_from_equals()
    path = [entry for entry in sys.path if entry]
    code = HOST.format(path=path, descriptor=descriptor, gate=orders.gate)
    return subprocess.Popen(
        [sys.executable, "-I", "-c", code],
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env=make_host_environment(),
    )


def make_host_environment() -> dict[str, str]:
    """The environment of a host process: that of flows' programs, and which catalogue is installed."""
    named = {VARIABLE: os.environ[VARIABLE]} if VARIABLE in os.environ else {}
    return make_environment(Path("/")) | named


def raise_if_stopped(ended: Ended, timeout_seconds: float | None) -> None:
    """Raise where the step's limits, or the host's end, ended the job."""
    if ended.stopped == "cancelled":
        raise StepCancelled("the run was cancelled")
    if ended.stopped == "timeout":
        raise StepTimedOut(f"not done after {timeout_seconds:g} s")
    if ended.stopped == "answer":
        raise PermanentError(f"the result is larger than {MAX_BYTES} bytes; keep it in a file")
    if ended.status is None:
        raise RetryableError("the process that runs Python and programs ended unexpectedly")


def describe_end(status: int | None, limits: Limits) -> str:
    """What a process that gave no answer did, in words."""
    code = os.waitstatus_to_exitcode(status or 0)
    if code >= 0:
        return f"ended its process itself, with exit code {code}"
    name = signal.Signals(-code).name
    reasons = {
        "SIGKILL": "was killed; perhaps the system ran out of memory",
        "SIGXCPU": f"used more than {limits.cpu_seconds} s of processor time",
    }
    return reasons.get(name, f"crashed with {name}")


@functools.cache
def shared() -> Blocks:
    """The service of a process that made none of its own; ends with it."""
    import atexit

    service = Blocks()
    atexit.register(service.close)
    return service


def blocks_of(step: Step) -> Blocks:
    """The service that a step has at hand."""
    service = step.services.get("blocks")
    return service if isinstance(service, Blocks) else shared()
