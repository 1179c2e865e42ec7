"""What the durability of an effect costs: one step at a time, and many runs at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

from tests.benchmarks.bench import ROOT, Bench
from tests.benchmarks.child import SERVING_CPU, pinned
from tests.benchmarks.rounds import Contestant, Measure, compare
from tests.benchmarks.row import Budget, Row

__all__ = ["measure"]

ROUNDS = 20
GROUP_ROUNDS = 8
SHORT, LONG = 5, 25
RUNS = 4
SYNCS = 40
SYNC_BYTES = 256
THREADS = 64
RECORDS = 40

STEP_METHOD = (
    f"a step that does nothing but counts as an effect, on the SQLite journal (WAL, synchronous=FULL): the difference "
    f"between runs of {LONG} and of {SHORT} steps, divided by {LONG - SHORT}, so that a run's own start and end do not "
    f"count; DBOS likewise, on SQLite with its own settings; one fdatasync: {SYNC_BYTES} bytes appended to a file of "
    "the same file system, then fdatasync"
)
RUN_METHOD = f"the runs of {SHORT} steps of the row above, from the call to the answer"
GROUP_METHOD = (
    f"{THREADS} threads, each with a run of its own, each writing {RECORDS} durable records of two entries one after "
    "the other: the wall time divided by all records"
)


def measure(bench: Bench) -> Iterator[Row]:
    """Three rows: a step, a whole run, grouped records."""
    with pinned(SERVING_CPU):
        step, whole, sync, dbos_step, dbos_whole = compare(
            [
                Contestant(name="IntellyHub", open=lambda: open_ours(bench.scratch / "steps.db", time_step)),
                Contestant(name="IntellyHub", open=lambda: open_ours(bench.scratch / "runs.db", time_run)),
                Contestant(name="one fdatasync", open=lambda: open_sync(bench.scratch / "append.bin")),
                Contestant(name="DBOS", open=lambda: open_dbos(bench.scratch / "dbos-steps.db", time_step)),
                Contestant(name="DBOS", open=lambda: open_dbos(bench.scratch / "dbos-runs.db", time_run)),
            ],
            bench.rounds(ROUNDS),
        )
        grouped, group_sync = compare(
            [
                Contestant(name="IntellyHub", open=lambda: open_group(bench.scratch / "group.db")),
                Contestant(name="one fdatasync", open=lambda: open_sync(bench.scratch / "append.bin")),
            ],
            bench.rounds(GROUP_ROUNDS),
        )
    row = partial(Row, topic="durable_step", unit="µs")
    yield row(
        what="durable effect step, SQLite FULL",
        ours=step,
        peers=(sync, dbos_step),
        budgets=(Budget(limit=1.2, peer="one fdatasync"),),
        method=STEP_METHOD,
    )
    yield row(what="durable run of 5 effect steps", ours=whole, peers=(sync, dbos_whole), method=RUN_METHOD)
    yield row(
        what=f"grouped commit, {THREADS} runs at once, per record",
        ours=grouped,
        peers=(group_sync,),
        budgets=(Budget(limit=25),),
        method=GROUP_METHOD,
    )


RunSteps = Callable[[int, int], float]
"""`run(steps, runs)`: so many runs of so many steps; seconds for all of them."""


def time_step(run: RunSteps) -> float:
    """Microseconds that one more step takes."""
    return (run(LONG, RUNS) - run(SHORT, RUNS)) / RUNS / (LONG - SHORT) * 1e6


def time_run(run: RunSteps) -> float:
    """Microseconds per run."""
    return run(SHORT, RUNS) / RUNS * 1e6


@contextmanager
def open_ours(database: Path, take: Callable[[RunSteps], float]) -> Iterator[Measure]:
    """Runs in this process, on a journal of their own."""
    from intellyhub_engine.journal.records import RunStatus
    from intellyhub_engine.journal.sqlite import SqliteJournal
    from intellyhub_engine.machine.run import start
    from tests.benchmarks.ours import make_host, make_program

    programs = {}
    for steps in (SHORT, LONG):
        text = database.with_name(f"touch-{steps}.yaml")
        text.write_text(make_touch_flow(steps))
        programs[steps] = make_program(text)
    journal = SqliteJournal(database)
    host = make_host(journal=journal, workspace=database.parent)

    def run(steps: int, runs: int) -> float:
        program = programs[steps]
        started = time.perf_counter()
        for _ in range(runs):
            result = start(program, host)
            if result.status is not RunStatus.SUCCEEDED:
                raise RuntimeError(f"the run did not succeed: {result.error}")
        return time.perf_counter() - started

    try:
        yield lambda: take(run)
    finally:
        journal.close()


def make_touch_flow(steps: int) -> str:
    """A chain of effects."""
    names = [*(f"touch_{number}" for number in range(steps)), "end"]
    states = (f"  {name}: {{state_type: bench_touch, transition: {after}}}\n" for name, after in pairwise(names))
    return "states:\n" + "".join(states)


@contextmanager
def open_sync(path: Path) -> Iterator[Measure]:
    """The floor of everything durable: microseconds per small append that reached the disk."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def sample() -> float:
        started = time.perf_counter()
        for _ in range(SYNCS):
            os.write(file, b"x" * SYNC_BYTES)
            os.fdatasync(file)
        return (time.perf_counter() - started) / SYNCS * 1e6

    try:
        yield sample
    finally:
        os.close(file)


@contextmanager
def open_dbos(database: Path, take: Callable[[RunSteps], float]) -> Iterator[Measure]:
    """DBOS in a process of its own, because it keeps threads at work; stopped while it is not its turn."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.peers.dbos_steps", str(database)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        ask, answers = process.stdin, process.stdout

        def run(steps: int, runs: int) -> float:
            print(steps, runs, file=ask, flush=True)
            return float(answers.readline())

        def sample() -> float:
            process.send_signal(signal.SIGCONT)
            taken = take(run)
            process.send_signal(signal.SIGSTOP)
            return taken

        try:
            if answers.readline() != "ready\n":
                words = process.stderr.read().strip().splitlines()
                raise RuntimeError(f"DBOS did not start; it said: {words[-1] if words else 'nothing'}")
            process.send_signal(signal.SIGSTOP)
            yield sample
        finally:
            process.kill()


@contextmanager
def open_group(database: Path) -> Iterator[Measure]:
    """Microseconds per record while many runs write."""
    from intellyhub_engine.journal.records import RunStart
    from intellyhub_engine.journal.sqlite import SqliteJournal

    journal = SqliteJournal(database)
    for number in range(THREADS):
        start = RunStart(run_id=f"run-{number}", flow="group", version="1", started_ns=time.time_ns())
        journal.begin(start, owner="bench", lease_seconds=600)
    sequences = [0] * THREADS
    try:
        yield lambda: time_group(partial(write_records, journal, sequences)) / (THREADS * RECORDS) * 1e6
    finally:
        journal.close()


def write_records(journal: object, sequences: list[int], number: int) -> None:
    """One run's records, each durable before the next."""
    from intellyhub_engine.journal.records import StepFinished, StepStarted, StepStatus
    from intellyhub_engine.journal.sqlite import SqliteJournal

    assert isinstance(journal, SqliteJournal)
    for _ in range(RECORDS):
        sequences[number] += 1
        seq, now = sequences[number], time.time_ns()
        name = f"touch_{seq}"
        finished = StepFinished(
            seq, name, "bench_touch", 1, StepStatus.SUCCEEDED, "next", now, now, {"count": seq}, None, None, ()
        )
        begun = StepStarted(seq + 1, name, "bench_touch", 1, now)
        journal.record(f"run-{number}", (finished, begun), owner="bench", durable=True)


def time_group(write: Callable[[int], None]) -> float:
    """Seconds until all threads have written."""
    barrier = threading.Barrier(THREADS + 1)
    faults: list[Exception] = []

    def work(number: int) -> None:
        barrier.wait()
        try:
            write(number)
        except Exception as fault:  # noqa: BLE001  (raised again in the measuring thread)
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    barrier.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - started
    if faults:
        raise faults[0]
    return spent
