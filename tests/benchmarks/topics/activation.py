"""Flows woken by a request on their socket, on the platform as it is: journal service, activator, walls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from intellyhub_knative.platform.activator.reserve import BARE
from intellyhub_knative.platform.activator.reserve import MOST as MOST_SPARES
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.layout import Layout
from tests.benchmarks.bench import Bench
from tests.benchmarks.child import read_pss_bytes
from tests.benchmarks.rounds import Contestant, Measure, compare
from tests.benchmarks.row import Budget, Row
from tests.integration.activation import HELLO, Platform
from tests.integration.platform_processes import await_that

__all__ = ["measure"]

ROUNDS = 40
BURSTS = 5
BURST_FLOWS = 50
IDLE_FLOWS = 1000
IDLE_WORKERS = 20
IDLE_SECONDS = 0.2
SETTLE_SECONDS = 0.2
"""What the warm parent gets to be done with children, of which there are now as many as there are to be."""
FAST = f"durability: none\n{HELLO}"

WAKES = (
    ("from a spare, nothing kept", FAST, 2.5, ()),
    ("from a spare, run durable", HELLO, 2.5, ()),
    ("from a bare child, nothing kept", FAST, 7, ("spare",)),
    ("from a fork, nothing kept", FAST, 7, ("spare", "bare")),
)
"""What, the flow, the budget in milliseconds, and the children that are used up before."""
WAKE = (
    "from connecting to the flow's unix socket to the end of the answer, with no worker of the flow alive; walls, "
    "tokens and compiled program as on every installation; {what}"
)


def measure(bench: Bench) -> Iterator[Row]:
    """Cold starts, a burst, memory."""
    for kind, text, limit, before in WAKES:
        yield make_wake_row(bench, kind, text, limit, before)
    yield make_burst_row(bench)
    yield make_memory_row(bench)
    yield from make_idle_rows(bench)


def make_wake_row(bench: Bench, what: str, text: str, limit: float, before: Sequence[str]) -> Row:
    """One kind of cold start."""

    def prepare(house: Platform) -> Measure:
        flows = [house.flow(f"wake{n}", text, idle_seconds=IDLE_SECONDS) for n in range(MOST_SPARES + BARE + 1)]
        for flow in flows:
            house.await_socket(flow)

        def sample() -> float:
            await_rest(house)
            waiting = house.activator.get("/workers")["waiting"]
            for flow in flows[: sum(waiting[kind] for kind in before)]:  # in a row: children are made in a pause
                ask_timed(house, flow)
            return ask_timed(house, flows[-1])

        return sample

    given = f"other flows took each {' and each '.join(before)} child a moment before" if before else "a spare waits"
    return make_row(
        bench,
        f"local cold start {what}",
        "ms",
        prepare,
        rounds=bench.rounds(ROUNDS),
        budget=limit,
        method=WAKE.format(what=given),
    )


def make_burst_row(bench: Bench) -> Row:
    """Many at once."""

    def prepare(house: Platform) -> Measure:
        flows = [house.flow(f"burst{n}", FAST, idle_seconds=2 * IDLE_SECONDS) for n in range(BURST_FLOWS)]
        for flow in flows:
            house.await_socket(flow)

        def sample() -> float:
            await_rest(house)
            threads = [threading.Thread(target=ask_timed, args=(house, flow)) for flow in flows]
            began = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return (time.perf_counter() - began) * 1000

        return sample

    return make_row(
        bench,
        f"{BURST_FLOWS} flows woken at once, until all have answered",
        "ms",
        prepare,
        rounds=bench.rounds(BURSTS),
        budget=150,
        method=f"{BURST_FLOWS} client threads of one Python process, nothing kept; "
        + WAKE.format(what="a spare and some bare children wait"),
    )


def make_memory_row(bench: Bench) -> Row:
    """An idle worker."""

    def prepare(house: Platform) -> Measure:
        flows = [house.flow(f"idle{n}", idle_seconds=60.0) for n in range(IDLE_WORKERS)]
        for flow in flows:
            house.await_socket(flow)
            for _ in range(10):
                ask_timed(house, flow)

        def sample() -> float:
            pids = [worker["pid"] for worker in house.workers()]
            assert len(pids) >= IDLE_WORKERS  # a flow whose worker was slow to take somebody has two
            return sum(map(read_pss_bytes, pids)) / len(pids) / 1e6

        return sample

    return make_row(
        bench,
        "idle worker of the platform, proportional memory",
        "MB",
        prepare,
        rounds=2,
        budget=6,
        method=f"proportional set size (smaps_rollup) of {IDLE_WORKERS} idle workers that have answered, their mean",
    )


def make_idle_rows(bench: Bench) -> Iterator[Row]:
    """Flows that nobody asks."""
    processes: list[int] = []

    def prepare(house: Platform) -> Measure:
        assert house.activator.process is not None
        pid = house.activator.process.pid
        before = read_pss_bytes(pid)
        flows = [house.flow(f"sleeper{n}") for n in range(IDLE_FLOWS)]
        await_that(lambda: house.activator.get("/healthz")["sockets"] == IDLE_FLOWS, 60.0)
        house.await_socket(flows[-1])

        def sample() -> float:
            processes.append(len(house.workers()))
            return (read_pss_bytes(pid) - before) / IDLE_FLOWS / 1e3

        return sample

    method = (
        "growth of the activator's proportional set size; what the kernel keeps for a socket (about 2 KB) is not in it"
    )
    yield make_row(bench, f"{IDLE_FLOWS} idle flows, each", "KB", prepare, rounds=2, budget=60, method=method)
    if processes:
        print(f"  {IDLE_FLOWS} idle flows: {max(processes)} worker processes")


def make_row(
    bench: Bench,
    what: str,
    unit: str,
    prepare: Callable[[Platform], Measure],
    *,
    rounds: int,
    budget: float,
    method: str,
) -> Row:
    """Measured on a platform of its own."""

    @contextmanager
    def open_house() -> Iterator[Measure]:
        with running_platform(bench.scratch) as house:
            yield prepare(house)

    (ours,) = compare([Contestant(name="IntellyHub", open=open_house)], rounds)
    return Row(topic="activation", what=what, unit=unit, ours=ours, budgets=(Budget(limit=budget),), method=method)


@contextmanager
def running_platform(scratch: Path) -> Iterator[Platform]:
    """Journal service and activator over a data folder on the disk under measurement."""
    folder = scratch / f"activation-{time.monotonic_ns()}"
    folder.mkdir(mode=0o700)
    house = Platform(Layout(data=folder))
    house.tenant(max_pods=2 * BURST_FLOWS)
    with house.journal, house.activator:
        yield house
        house.activator.stop()


def await_rest(house: Platform) -> None:
    """Until no worker is left, and what is to wait waits."""

    def rests() -> bool:
        found = house.activator.get("/workers")
        waiting = found["waiting"]
        return not found["items"] and waiting["spare"] > 0 == waiting["preparing"] and waiting["bare"] == BARE

    await_that(rests)
    time.sleep(SETTLE_SECONDS)


def ask_timed(house: Platform, flow: Deployment) -> float:
    """Milliseconds from connecting to the end of the answer; a flow that does not answer 200 stops the measurement."""
    began = time.perf_counter()
    answer = house.ask(flow)
    took = (time.perf_counter() - began) * 1000
    if answer.status != 200:
        with suppress(OSError):
            print(house.activator.log.read_text()[-2000:])
        raise RuntimeError(f"answered {answer.status}: {answer.body}")
    return took
