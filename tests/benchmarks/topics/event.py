"""One event through a flow of ten steps, without a journal: what a request costs the server's processor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from tests.benchmarks.asking import ask
from tests.benchmarks.bench import Bench
from tests.benchmarks.peers.order import EXPECTED
from tests.benchmarks.rounds import Contestant, Measure, compare
from tests.benchmarks.row import Budget, Figure, Row, Spread
from tests.benchmarks.servers import Server, make_framework, make_lean, make_our_framework, make_worker, running

__all__ = ["measure"]

ROUNDS = 8
REQUESTS = 2000
CLIENTS = 4

WHOLE_METHOD = (
    "a JSON order posted over loopback, decided in ten steps (assignments, a check, decisions, a switch, an answer "
    f"with texts) that touch nothing; {REQUESTS:,} requests per round over {CLIENTS} connections that are kept alive "
    "and keep the server busy; the CPU clock of the server's process, and of its workers where it has some. Everyone "
    "must give the same answer; hand-written: the same decisions as a Python function on the same lean server"
)
OVER_METHOD = "the row above less what the same lean server takes to answer a constant"


def measure(bench: Bench) -> Iterator[Row]:
    """Two rows: the whole request, and what the engine adds to the lean server."""
    servers: dict[str, Callable[[], Server]] = {
        "IntellyHub": partial(make_worker, "order.yaml", concurrency=CLIENTS, expected=EXPECTED),
        "lean server, constant": partial(make_lean, "constant"),
        "lean server, hand-written": partial(make_lean, "order"),
        "functions-framework, hand-written": partial(make_framework, "decide_order"),
        "IntellyHub in functions-framework": partial(make_our_framework, "order.yaml", expected=EXPECTED),
    }
    contestants = [Contestant(name=name, open=partial(open_server, bench, make)) for name, make in servers.items()]
    ours, constant, *peers = compare(contestants, bench.rounds(ROUNDS))
    row = partial(Row, topic="event", unit="µs CPU")
    yield row(
        what="one event through a 10-step flow, whole request",
        ours=ours,
        peers=(constant, *peers),
        method=WHOLE_METHOD,
    )
    yield row(
        what="one event through a 10-step flow, over the lean server",
        ours=subtract(ours, constant),
        peers=(subtract(peers[0], constant),),
        budgets=(Budget(limit=40),),
        method=OVER_METHOD,
    )


@contextmanager
def open_server(bench: Bench, make: Callable[[], Server]) -> Iterator[Measure]:
    """Microseconds of CPU per request."""
    server = make()
    with running(server, bench.scratch) as child:

        def sample() -> float:
            with child.awake():
                before = child.cpu_seconds()
                ask(child, server.request, clients=CLIENTS, requests=REQUESTS)
                return (child.cpu_seconds() - before) / REQUESTS * 1e6

        child.pause()
        yield sample


def subtract(figure: Figure, floor: Figure) -> Figure:
    """The figure less the floor's median."""
    if figure.spread is None or floor.spread is None:
        return replace(figure, spread=None, fault=figure.fault or floor.fault)
    spread, base = figure.spread, floor.spread.median
    less = Spread(median=spread.median - base, low=spread.low - base, high=spread.high - base, rounds=spread.rounds)
    return replace(figure, spread=less)
