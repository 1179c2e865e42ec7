"""Durable flows of five effects over HTTP, as many as are done in a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from tests.benchmarks.asking import ask
from tests.benchmarks.bench import Bench
from tests.benchmarks.rounds import Contestant, Measure, compare
from tests.benchmarks.row import Budget, Row
from tests.benchmarks.servers import Server, make_dbos, make_restate, make_worker, running

__all__ = ["CLIENTS", "ROUNDS", "make_budgets", "make_peers", "measure"]

ROUNDS = 5
CLIENTS = (1, 16)
OUR_REQUESTS = {1: 300, 16: 800}
PEER_REQUESTS = {1: 30, 16: 60}

METHOD = (
    "a request starts a run of five steps that count as effects and do nothing, each durable before the next, and is "
    "answered when the run is; ours on its SQLite journal (synchronous=FULL) and its lean server, DBOS on SQLite "
    "behind functions-framework, Restate with its own server, its service on Node.js; all may work on {clients} runs "
    "at once and are asked over {clients} connections"
)


def measure(bench: Bench) -> Iterator[Row]:
    """Two rows: one client, and sixteen."""
    for clients in CLIENTS:
        journal = bench.scratch / f"flow-{clients}.db"
        ours: Callable[[], Server] = partial(make_worker, "touch.yaml", journal=journal, concurrency=clients)
        opened = partial(open_server, bench, ours, clients, OUR_REQUESTS[clients])
        figure, *peers = compare(
            [Contestant(name="IntellyHub", open=opened), *make_peers(bench, clients, "lean")], bench.rounds(ROUNDS)
        )
        yield Row(
            topic="durable_flow",
            what=f"durable flow, 5 effect steps, over HTTP, {clients} client{'s' if clients > 1 else ''}",
            unit="flows/s",
            ours=figure,
            peers=tuple(peers),
            budgets=make_budgets(),
            method=METHOD.format(clients=clients),
        )


def make_peers(bench: Bench, clients: int, name: str) -> Iterator[Contestant]:
    """Those who do the same, in databases of that name."""
    dbos: Callable[[], Server] = partial(make_dbos, bench.scratch / f"dbos-{name}-{clients}.db", clients)
    restate: Callable[[], Server] = partial(make_restate, bench.scratch / f"restate-{name}-{clients}")
    for peer, make in (("DBOS", dbos), ("Restate", restate)):
        opened = partial(open_server, bench, make, clients, PEER_REQUESTS[clients])
        yield Contestant(name=peer, open=opened, optional=peer == "Restate")


def make_budgets() -> tuple[Budget, ...]:
    """Against each of them."""
    return Budget(limit=10, peer="DBOS", at_least=True), Budget(limit=5, peer="Restate", at_least=True)


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
