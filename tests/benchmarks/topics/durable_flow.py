"""Durable flows of five effects over HTTP, as many as are done in a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from tests.benchmarks.asking import ask
from tests.benchmarks.bench import Bench
from tests.benchmarks.rounds import Contestant, Measure, compare
from tests.benchmarks.row import Budget, Figure, Row
from tests.benchmarks.servers import Server, make_dbos, make_worker, running

__all__ = ["measure"]

ROUNDS = 5
CLIENTS = (1, 16)
OUR_REQUESTS = {1: 300, 16: 800}
DBOS_REQUESTS = {1: 30, 16: 60}

METHOD = (
    "a request starts a run of five steps that count as effects and do nothing, each durable before the next, and is "
    "answered when the run is; ours on its SQLite journal (synchronous=FULL) and its lean server, DBOS on SQLite "
    "behind functions-framework; both may work on {clients} runs at once and are asked over {clients} connections"
)


def measure(bench: Bench) -> Iterator[Row]:
    """Two rows: one client, and sixteen."""
    for clients in CLIENTS:
        journal, database = bench.scratch / f"flow-{clients}.db", bench.scratch / f"dbos-{clients}.db"
        ours: Callable[[], Server] = partial(make_worker, "touch.yaml", journal=journal, concurrency=clients)
        dbos: Callable[[], Server] = partial(make_dbos, database, clients)
        figure, *peers = compare(
            [
                Contestant(name="IntellyHub", open=partial(open_server, bench, ours, clients, OUR_REQUESTS[clients])),
                Contestant(name="DBOS", open=partial(open_server, bench, dbos, clients, DBOS_REQUESTS[clients])),
            ],
            bench.rounds(ROUNDS),
        )
        yield Row(
            topic="durable_flow",
            what=f"durable flow, 5 effect steps, over HTTP, {clients} client{'s' if clients > 1 else ''}",
            unit="flows/s",
            ours=figure,
            peers=(*peers, make_restate_figure()),
            budgets=(
                Budget(limit=10, peer="DBOS", at_least=True),
                Budget(limit=5, peer="Restate", at_least=True),
            ),
            method=METHOD.format(clients=clients),
        )


def make_restate_figure() -> Figure:
    """Restate is a server of its own and not on the package index, so this run cannot bring it along."""
    found = shutil.which("restate-server")
    fault = "its server is here, but is not driven by this benchmark" if found else "its server is not installed"
    return Figure(name="Restate", fault=fault, optional=True)


@contextmanager
def open_server(bench: Bench, make: Callable[[], Server], clients: int, requests: int) -> Iterator[Measure]:
    """Flows per second."""
    server = make()
    with running(server, bench.scratch) as child:

        def sample() -> float:
            with child.awake():
                return requests / ask(child, server.request, clients=clients, requests=requests)

        child.pause()
        yield sample
