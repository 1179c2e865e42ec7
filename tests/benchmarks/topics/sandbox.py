"""Python blocks and shell commands as steps of a run, walled in, against plain processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from tests.benchmarks.bench import Bench
from tests.benchmarks.rounds import Contestant, Measure, compare, make_contestant
from tests.benchmarks.row import Budget, Row

__all__ = ["measure"]

ROUNDS = 12
STEPS = 10

SHELL_METHOD = (
    "a `command` state that runs `true` in the shell, through the engine with its limits and walls, in a run of "
    f"{STEPS} such steps; plain: subprocess.run of `sh -c true` by this process"
)
PYTHON_METHOD = (
    "a `command` state that adds one to a variable in Python, through the engine, likewise; plain: `python -I -c` of "
    "the same line"
)


def measure(bench: Bench) -> Iterator[Row]:
    """Two rows."""
    shell, plain_shell, python, plain_python = compare(
        [
            Contestant(name="IntellyHub", open=partial(open_ours, bench, "shell")),
            make_contestant("plain subprocess", lambda: time_process(["sh", "-c", "true"])),
            Contestant(name="IntellyHub", open=partial(open_ours, bench, "python")),
            make_contestant("plain python -c", lambda: time_process([sys.executable, "-I", "-c", "total = 1 + 1"])),
        ],
        bench.rounds(ROUNDS),
    )
    row = partial(Row, topic="sandbox", unit="ms")
    yield row(
        what="sandboxed shell command",
        ours=shell,
        peers=(plain_shell,),
        budgets=(Budget(limit=6),),
        method=SHELL_METHOD,
    )
    yield row(
        what="sandboxed Python block",
        ours=python,
        peers=(plain_python,),
        budgets=(Budget(limit=5),),
        method=PYTHON_METHOD,
    )


@contextmanager
def open_ours(bench: Bench, kind: str) -> Iterator[Measure]:
    """Milliseconds per step of the kind; the process that runs the blocks is warm, as in a worker."""
    from intellyhub_engine.blocks.blocks import Blocks
    from intellyhub_engine.journal.records import RunStatus
    from intellyhub_engine.machine.run import start
    from tests.benchmarks.ours import make_host, make_program

    program = make_program("sandboxed.yaml")
    workspace = bench.scratch / f"workspace-{kind}"
    with Blocks() as blocks:
        host = make_host(workspace=workspace, services={"blocks": blocks})

        def sample() -> float:
            started = time.perf_counter()
            result = start(program, host, variables={"kind": kind, "number": STEPS})
            spent = time.perf_counter() - started
            if result.status is not RunStatus.SUCCEEDED or result.variables["total"] != STEPS:
                raise RuntimeError(f"the run did not succeed: {result.error}")
            return spent / STEPS * 1e3

        yield sample


def time_process(command: Sequence[str]) -> Measure:
    """Milliseconds per process."""

    def sample() -> float:
        started = time.perf_counter()
        for _ in range(STEPS):
            subprocess.run(command, check=True)
        return (time.perf_counter() - started) / STEPS * 1e3

    return sample
