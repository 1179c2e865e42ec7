"""The API while a thousand people look at their flows and runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tests.benchmarks.aside import Aside, percentile
from tests.benchmarks.asking import put_load
from tests.benchmarks.bench import Bench
from tests.benchmarks.crowd import Plan
from tests.benchmarks.house import hook_request, open_platform, publish
from tests.benchmarks.rounds import Contestant, Measure, compare
from tests.benchmarks.row import Budget, Row
from tests.benchmarks.sql_times import VARIABLE, read_times
from tests.soak.platform import Platform

__all__ = ["measure"]

CROWD = Path(__file__).parents[1] / "crowd.py"
OURS = "IntellyHub"
ROUNDS = 3
SECONDS, QUICK_SECONDS = 20.0, 6.0
WARM_UP_SECONDS = 6.0
USERS = 1000
THINK_SECONDS = (1.0, 5.0)
FLOWS, QUICK_FLOWS = 100, 20
RUNS_EACH = 50
EXECUTES = 50
KNOWN_RUNS = 200

METHOD = (
    "{users:,} users in an asyncio process of their own, each on a connection of its own that is kept alive, with one "
    "login for all; each asks, then thinks 1 to 5 s: the lists of flows and of runs, one flow with its text, its "
    "status, one run, its steps, equally often, and one request in {executes} starts a run; a tenant with {flows} "
    "flows and {runs:,} runs; {seconds:g} s per round after {warm_up:g} s in which the users arrive. The platform and "
    "the crowd share all cores; no peer, as none has this API"
)
SQL_METHOD = (
    "every statement of the control plane during the rounds, timed at SQLAlchemy's cursor; the journal service's own "
    "questions are not in it"
)


def measure(bench: Bench) -> Iterator[Row]:
    """What a request took, and what SQL took."""
    middle, statements, rate = Aside(), Aside(), Aside()
    opened = partial(open_crowd, bench, middle, statements, rate)
    (slow,) = compare([Contestant(name=OURS, open=opened)], bench.rounds(ROUNDS))
    flows, seconds = (QUICK_FLOWS, QUICK_SECONDS) if bench.quick else (FLOWS, SECONDS)
    method = METHOD.format(
        users=USERS,
        executes=EXECUTES,
        flows=flows,
        runs=flows * RUNS_EACH,
        seconds=seconds,
        warm_up=WARM_UP_SECONDS,
    )
    who = f"API with {USERS:,} users"
    row = partial(Row, topic="api")
    yield row(what=f"{who}, p95", unit="ms", ours=slow, budgets=(Budget(limit=100),), method=method)
    yield row(what=f"{who}, p50", unit="ms", ours=middle.figure(slow), method="of the same requests")
    yield row(what=f"{who}, answered", unit="requests/s", ours=rate.figure(slow), method="of the same requests")
    yield row(
        what=f"{who}, SQL of the control plane, p95",
        unit="ms",
        ours=statements.figure(slow),
        budgets=(Budget(limit=20),),
        method=SQL_METHOD,
    )


@contextmanager
def open_crowd(bench: Bench, middle: Aside, statements: Aside, rate: Aside) -> Iterator[Measure]:
    """The 95th percentile of all requests, in milliseconds; the median and that of SQL aside."""
    sql = bench.scratch / "sql-times"
    flows = QUICK_FLOWS if bench.quick else FLOWS
    limits = {"INTELLYHUB_MAX_PODS": str(2 * FLOWS), VARIABLE: str(sql)}
    with open_platform(bench, all_cores=True, **limits) as platform:
        plan = make_plan(platform, prepare(platform, flows), QUICK_SECONDS if bench.quick else SECONDS)
        file = platform.data.with_suffix(".plan")
        file.write_text(json.dumps(asdict(plan)))

        def sample() -> float:
            before = len(read_times(sql))
            taken_ms = visit(file)
            taken = [each for kind in taken_ms.values() for each in kind]
            show_kinds(taken_ms)
            middle.note(OURS, percentile(taken, 0.5))
            rate.note(OURS, len(taken) / plan.seconds)
            statements.note(OURS, percentile(read_times(sql)[before:], 0.95) * 1e3)
            return percentile(taken, 0.95)

        yield sample


def prepare(platform: Platform, flows: int) -> Sequence[str]:
    """Publish flows and let each of them run; their ids."""
    ids = []
    file = platform.data.with_suffix(".request")
    for number in range(flows):
        ids.append(publish(platform, "hook.yaml", f"hook-{number}")["id"])
        put_load(platform.port, hook_request(f"hook-{number}"), file, clients=1, requests=RUNS_EACH - 1)
    return ids


def make_plan(platform: Platform, flows: Sequence[str], seconds: float) -> Plan:
    """What the crowd is told."""
    runs = platform.ask("GET", f"/api/runs?limit={KNOWN_RUNS}")["items"]
    return Plan(
        port=platform.port,
        token=platform.token,
        users=USERS,
        warm_up_seconds=WARM_UP_SECONDS,
        seconds=seconds,
        think_seconds=THINK_SECONDS,
        flows=list(flows),
        runs=[run["id"] for run in runs],
        executes=EXECUTES,
    )


def visit(plan: Path) -> Mapping[str, Sequence[float]]:
    """Milliseconds of every request, by what it asked for. Raises RuntimeError when one of them failed."""
    finished = subprocess.run(
        [sys.executable, "-I", str(CROWD), str(plan)], capture_output=True, text=True, check=False
    )
    if finished.returncode:
        raise RuntimeError(f"the crowd failed: {finished.stderr.strip().splitlines()[-1]}")
    result = json.loads(finished.stdout)
    taken: Mapping[str, Sequence[float]] = result["taken_ms"]
    if result["failed"]:
        asked = sum(map(len, taken.values()))
        raise RuntimeError(f"{result['failed']} of {asked} requests failed, the first: {result['first_failure']}")
    return taken


def show_kinds(taken_ms: Mapping[str, Sequence[float]]) -> None:
    """For whoever looks for what is slow."""
    shown = (f"{kind} {percentile(taken, 0.95):.0f}" for kind, taken in sorted(taken_ms.items()))
    print(f"  p95 in ms: {', '.join(shown)}", file=sys.stderr, flush=True)
