"""The durable flow of five effects again, now through the whole platform's hook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.benchmarks.asking import put_load
from tests.benchmarks.bench import Bench
from tests.benchmarks.house import hook_request, open_platform, publish
from tests.benchmarks.rounds import Contestant, Measure, compare
from tests.benchmarks.row import Row
from tests.benchmarks.topics.durable_flow import CLIENTS, ROUNDS, make_budgets, make_peers

__all__ = ["measure"]

REQUESTS = {1: 200, 16: 600}

METHOD = (
    "the flow of five effect steps as above, called at its hook: the gateway's port, the flow's socket, a worker "
    "behind its walls (at most ten, each with one run at a time, as a new tenant gets them), the journal service "
    "(SQLite, synchronous=FULL), and the run's answer back; all processes of the platform on one core; "
    "{clients} connections"
)


def measure(bench: Bench) -> Iterator[Row]:
    """Two rows: one client, and sixteen."""
    for clients in CLIENTS:
        ours = Contestant(name="IntellyHub", open=partial(open_hook, bench, clients))
        figure, *peers = compare([ours, *make_peers(bench, clients, "platform")], bench.rounds(ROUNDS))
        yield Row(
            topic="platform_durable",
            what=f"durable flow, 5 effect steps, through the platform's hook, {clients} client{'s' * (clients > 1)}",
            unit="flows/s",
            ours=figure,
            peers=tuple(peers),
            budgets=make_budgets(),
            method=METHOD.format(clients=clients),
        )


@contextmanager
def open_hook(bench: Bench, clients: int) -> Iterator[Measure]:
    """Flows per second."""
    with open_platform(bench) as platform:
        publish(platform, "touch.yaml", "touch")
        file, requests = platform.data.with_suffix(".request"), REQUESTS[clients]

        def sample() -> float:
            load = put_load(platform.port, hook_request("touch"), file, clients=clients, requests=requests)
            return requests / load.seconds

        yield sample
