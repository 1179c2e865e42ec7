"""Flows woken by a request on their socket, on the platform as it is: journal service, activator, walls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from intellyhub_knative.local.activator.reserve import MOST as MOST_SPARES
from intellyhub_knative.local.deployments import Deployment
from intellyhub_knative.local.layout import Layout
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
SETTLE_SECONDS = 0.1
"""What the warm parent gets to have a spare again, beyond a worker's idle time."""
FAST = f"durability: none\n{HELLO}"

WAKE = (
    "from connecting to the flow's unix socket to the end of the answer, with no worker of the flow alive; walls, "
    "tokens and compiled program as on every installation; {what}"
)


def measure(bench: Bench) -> Iterator[Row]:
    """Cold starts, a burst, memory."""
    yield make_wake_row(bench, "cold start from a spare, nothing kept", FAST, 2.5, spare=True)
    yield make_wake_row(bench, "cold start from a spare, run durable", HELLO, 2.5, spare=True)
    yield make_wake_row(bench, "cold start from a fork, nothing kept", FAST, 7, spare=False)
    yield make_burst_row(bench)
    yield make_memory_row(bench)
    yield from make_idle_rows(bench)


def make_wake_row(bench: Bench, what: str, text: str, limit: float, *, spare: bool) -> Row:
    """One kind of cold start."""
    prepare = woken_from_spare if spare else woken_from_fork
    method = "a spare child waits" if spare else "other flows took the spares in the moment before"
    return make_row(
        bench,
        f"local {what}",
        "ms",
        lambda house: prepare(house, text),
        rounds=bench.rounds(ROUNDS),
        budget=limit,
        method=WAKE.format(what=method),
    )


def woken_from_spare(house: Platform, text: str) -> Measure:
    flow = house.flow("cold", text, idle_seconds=IDLE_SECONDS)
    house.await_socket(flow)

    def sample() -> float:
        await_rest(house)
        return ask_timed(house, flow)

    return sample


def woken_from_fork(house: Platform, text: str) -> Measure:
    *others, last = (house.flow(f"fork{n}", text, idle_seconds=IDLE_SECONDS) for n in range(MOST_SPARES + 1))
    for flow in (*others, last):
        house.await_socket(flow)

    def sample() -> float:
        await_rest(house)
        for flow in others[: house.activator.get("/workers")["spares"]]:  # in a row: spares are made again in a pause
            ask_timed(house, flow)
        return ask_timed(house, last)

    return sample


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
        method=f"{BURST_FLOWS} client threads of one Python process, nothing kept; " + WAKE.format(what="one spare"),
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
            assert len(pids) == IDLE_WORKERS
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
    """Until no worker is left and a spare is ready."""
    await_that(lambda: (found := house.activator.get("/workers"))["spare"] and not found["items"])
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
