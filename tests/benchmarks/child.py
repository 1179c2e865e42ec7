"""Processes under measurement: started on one core, asked from another, ended by their id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.load import Response, exchange

__all__ = [
    "ASKING_CPU",
    "SERVING_CPU",
    "Child",
    "find_free_port",
    "pinned",
    "start",
    "wait_until_open",
    "wait_until_ready",
]

CPUS = sorted(os.sched_getaffinity(0))
SERVING_CPU = CPUS[-1]
ASKING_CPU = CPUS[0]
READY_SECONDS = 20.0
STOP_SECONDS = 5.0
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""Not handed on: every start would compile what was changed since bytecode was last written. Without it the first
start, which does not count, leaves bytecode behind as an image has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """A started process and, where it serves, its port."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path
    """Where its standard output and error go; shown when it does not start."""

    def cpu_seconds(self) -> float:
        """What it and its living descendants have computed so far."""
        return sum(read_cpu_seconds(pid) for pid in self.pids())

    def memory_bytes(self) -> int:
        """Proportional set size (PSS) of it and its descendants: shared pages count in parts."""
        return sum(read_pss_bytes(pid) for pid in self.pids())

    def pids(self) -> list[int]:
        """Its id and those of all its descendants."""
        found = [self.process.pid]
        for pid in found:
            found += read_children(pid)
        return found

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let it work inside the block only: a server that waits for its turn must not disturb the others'."""
        os.killpg(self.process.pid, signal.SIGCONT)
        try:
            yield
        finally:
            self.pause()

    def pause(self) -> None:
        """Stop the processes of its group until they are `awake`."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGSTOP)

    def stop(self) -> None:
        """Ask it to end, then end its process group (it was started in one of its own)."""
        self.process.terminate()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGCONT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


@contextmanager
def pinned(cpu: int) -> Iterator[None]:
    """Run this thread, and what it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(command: Sequence[str], *, environment: Mapping[str, str], port: int, scratch: Path) -> Child:
    """Start a process on the serving core; its output goes to a file in `scratch`."""
    output = scratch / f"output-{port}.txt"
    inherited = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
    with output.open("wb") as file, pinned(SERVING_CPU):
        process = subprocess.Popen(
            command,
            env={**inherited, **environment},
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(process=process, port=port, output=output)


def wait_until_ready(child: Child, request: bytes) -> Response:
    """Ask until the first success; raises RuntimeError with the child's last words when it ends or never answers."""
    deadline = time.monotonic() + READY_SECONDS
    response = None
    while time.monotonic() < deadline and child.process.poll() is None:
        with suppress(ConnectionError, TimeoutError):
            response = exchange(child.port, request)
            if 200 <= response.status < 300:
                return response
        time.sleep(0.0005)
    words = child.output.read_text(errors="replace").strip().splitlines()
    said = words[-1] if words else (response and response.body.decode(errors="replace")) or "nothing"
    raise RuntimeError(f"the server did not become ready; it said: {said}")


def wait_until_open(child: Child, _request: bytes) -> None:
    """Knock until somebody opens; raises RuntimeError when nobody does."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and child.process.poll() is None:
        with suppress(ConnectionError), socket.create_connection(("127.0.0.1", child.port), 1):
            return
        time.sleep(0.0005)
    raise RuntimeError("the server did not open its port")


def find_free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def read_cpu_seconds(pid: int) -> float:
    """Time on a core of all threads a process ever had: its CPU clock (clock_getcpuclockid(3), in nanoseconds)."""
    with suppress(OSError):  # it has just ended
        return time.clock_gettime((~pid << 3) | 2)
    return 0.0


def read_pss_bytes(pid: int) -> int:
    """Proportional set size out of smaps_rollup."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this kernel does not tell the proportional set size")


def read_children(pid: int) -> list[int]:
    """The ids of the processes that the threads of a process have started."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError):  # the thread has ended meanwhile
            found += map(int, path.read_text().split())
    return found
