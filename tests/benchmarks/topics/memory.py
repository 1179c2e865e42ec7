"""What an idle worker holds in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from tests.benchmarks.asking import ask
from tests.benchmarks.bench import Bench
from tests.benchmarks.peers.order import EXPECTED
from tests.benchmarks.rounds import Measure, compare, make_contestant
from tests.benchmarks.row import Budget, Row
from tests.benchmarks.servers import Server, make_framework, make_lean, make_node, make_worker, running

__all__ = ["measure"]

ROUNDS = 3
REQUESTS = 500

METHOD = (
    f"proportional set size (smaps_rollup) of the server and its workers after {REQUESTS} requests, one contestant "
    "running at a time; the pages that a warm parent would share with other workers of ours count in full here, those "
    "of the Python executable count half for every Python server, because this benchmark runs on it too"
)


def measure(bench: Bench) -> Iterator[Row]:
    """One row."""
    servers: dict[str, Callable[[], Server]] = {
        "IntellyHub": partial(make_worker, "order.yaml", expected=EXPECTED),
        "lean server, constant": partial(make_lean, "constant"),
        "functions-framework": partial(make_framework, "hello"),
        "Node.js hello world": make_node,
    }
    ours, *peers = compare(
        [
            make_contestant(name, partial(prepare, bench, make), optional=make is make_node)
            for name, make in servers.items()
        ],
        bench.rounds(ROUNDS),
    )
    yield Row(
        topic="memory",
        what="idle worker, proportional memory",
        unit="MB",
        ours=ours,
        peers=tuple(peers),
        budgets=(Budget(limit=6),),
        method=METHOD,
    )


def prepare(bench: Bench, make: Callable[[], Server]) -> Measure:
    """Megabytes, of 10^6 bytes."""
    server = make()

    def sample() -> float:
        with running(server, bench.scratch) as child:
            ask(child, server.request, clients=1, requests=REQUESTS)
            return child.memory_bytes() / 1e6

    return sample
