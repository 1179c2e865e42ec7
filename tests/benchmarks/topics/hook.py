"""A webhook through the whole platform: the port, the gateway, the flow's socket, a worker, a run in the journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from tests.benchmarks.aside import Aside, percentile
from tests.benchmarks.asking import put_load
from tests.benchmarks.bench import Bench
from tests.benchmarks.child import ASKING_CPU, pinned
from tests.benchmarks.house import await_rest, hook_request, open_platform, publish
from tests.benchmarks.load import exchange
from tests.benchmarks.rounds import Contestant, Measure, compare, make_contestant
from tests.benchmarks.row import Budget, Row
from tests.benchmarks.servers import Server, make_framework, make_node, make_node_red, running
from tests.benchmarks.topics import start

__all__ = ["measure"]

COLD_ROUNDS = 6
WAKES = 10
IDLE_SECONDS = "0.1"
SETTLE_SECONDS = 0.1
"""What the warm parent gets to have a spare again."""
WARM_ROUNDS = 5
CLIENTS = (1, 16)
REQUESTS = {1: 500, 16: 1500}

COLD = (
    "from connecting to the platform's port to the end of the run's answer, with no worker of the flow alive and a "
    "spare child waiting; the run is in the journal; {what} of the {wakes} wakes of a round. Peers have nothing that "
    "wakes them: from starting the process to its first answer, once per round; they keep no record of it"
)
WARM = (
    "the same hook with its workers awake, {clients} connection{s} kept alive; ours keeps every run in the journal, "
    "the peers keep nothing. Node-RED: an `http in`, a function and a response; the others answer a constant"
)


def measure(bench: Bench) -> Iterator[Row]:
    """Cold, then warm with one client and with sixteen."""
    yield from make_cold_rows(bench)
    for clients in CLIENTS:
        yield from make_warm_rows(bench, clients)


def make_cold_rows(bench: Bench) -> Iterator[Row]:
    """Median and 90th percentile of the same wakes."""
    slow = Aside()
    with pinned(ASKING_CPU):
        ours, *peers = compare(
            [
                Contestant(name="IntellyHub", open=partial(open_sleeping, bench, slow)),
                *(
                    make_contestant(name, partial(start.prepare, bench, make), optional=True)
                    for name, make in make_peers(bench, "cold")
                ),
            ],
            bench.rounds(COLD_ROUNDS),
        )
    row = partial(Row, topic="hook", unit="ms")
    yield row(
        what="webhook through the platform, worker at zero, p50",
        ours=ours,
        peers=tuple(peers),
        budgets=(Budget(limit=2.5),),
        method=COLD.format(what="the median", wakes=WAKES),
    )
    yield row(
        what="webhook through the platform, worker at zero, p90",
        ours=slow.figure(ours),
        budgets=(Budget(limit=4),),
        method=COLD.format(what="the 90th percentile", wakes=WAKES),
    )


def make_warm_rows(bench: Bench, clients: int) -> Iterator[Row]:
    """Requests per second, and the median of what one took, of the same load."""
    latency = Aside()
    figures = compare(
        [
            Contestant(name="IntellyHub", open=partial(open_hook, bench, latency, clients)),
            *(
                Contestant(name=name, open=partial(open_peer, bench, latency, clients, name, make), optional=True)
                for name, make in make_peers(bench, f"warm-{clients}")
            ),
        ],
        bench.rounds(WARM_ROUNDS),
    )
    who = f"{clients} client{'s' * (clients > 1)}"
    for what, unit, (ours, *peers) in (
        (f"webhook through the platform, warm, {who}", "requests/s", figures),
        (f"webhook through the platform, warm, {who}, p50", "ms", list(map(latency.figure, figures))),
    ):
        method = WARM.format(clients=clients, s="s" * (clients > 1))
        yield Row(topic="hook", what=what, unit=unit, ours=ours, peers=tuple(peers), method=method)


def make_peers(bench: Bench, name: str) -> Iterator[tuple[str, Callable[[], Server]]]:
    """Others who answer a web request."""
    yield "Node-RED", partial(make_node_red, bench.scratch / f"node-red-{name}")
    yield "functions-framework", partial(make_framework, "hello")
    yield "Node.js hello world", make_node


@contextmanager
def open_sleeping(bench: Bench, slow: Aside) -> Iterator[Measure]:
    """The median of some wakes, in milliseconds; their 90th percentile aside."""
    with open_platform(bench, INTELLYHUB_IDLE_SECONDS=IDLE_SECONDS) as platform:
        publish(platform, "hook.yaml", "hook")
        request = hook_request("hook")

        def wake() -> float:
            await_rest(platform)
            time.sleep(SETTLE_SECONDS)
            began = time.perf_counter()
            answer = exchange(platform.port, request)
            took = time.perf_counter() - began
            if answer.status != 200:
                raise RuntimeError(f"answered {answer.status} {answer.body[:200]!r}")
            return took * 1e3

        def sample() -> float:
            taken = [wake() for _ in range(WAKES)]
            slow.note("IntellyHub", percentile(taken, 0.9))
            return percentile(taken, 0.5)

        yield sample


@contextmanager
def open_hook(bench: Bench, latency: Aside, clients: int) -> Iterator[Measure]:
    """Requests per second; the median of one aside."""
    with open_platform(bench) as platform:
        publish(platform, "hook.yaml", "hook")
        file, requests = platform.data.with_suffix(".request"), REQUESTS[clients]

        def sample() -> float:
            load = put_load(platform.port, hook_request("hook"), file, clients=clients, requests=requests)
            latency.note("IntellyHub", load.p50_ms)
            return requests / load.seconds

        yield sample


@contextmanager
def open_peer(bench: Bench, latency: Aside, clients: int, name: str, make: Callable[[], Server]) -> Iterator[Measure]:
    """The same of a peer, which is stopped while others work."""
    server = make()
    with running(server, bench.scratch) as child:
        file, requests = child.output.with_suffix(".request"), REQUESTS[clients]

        def sample() -> float:
            with child.awake():
                load = put_load(child.port, server.request, file, clients=clients, requests=requests)
            latency.note(name, load.p50_ms)
            return requests / load.seconds

        child.pause()
        yield sample
