"""From the start of a process to its first answer."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from tests.benchmarks.bench import Bench
from tests.benchmarks.child import ASKING_CPU, SERVING_CPU, Child, pinned, wait_until_open, wait_until_ready
from tests.benchmarks.peers.order import EXPECTED
from tests.benchmarks.rounds import Measure, compare, make_contestant
from tests.benchmarks.row import Budget, Row
from tests.benchmarks.servers import (
    Server,
    make_framework,
    make_lean,
    make_node,
    make_our_framework,
    make_worker,
)

__all__ = ["measure"]

ROUNDS = 15
BARE = "bare functions-framework"

LEAN_METHOD = (
    "from starting the process (bytecode and the compiled flow are cached, as in an image) to the first successful "
    "answer of the ten-step flow, asked every half millisecond; peers answer a constant; `python -c pass` until "
    "it has ended"
)
FRAMEWORK_METHOD = "the same, both under the functions-framework command: to the first successful answer"
OPEN_METHOD = (
    "the same processes until their port takes a connection, which is all that Knative's own probe asks for; ours "
    "imports the engine after that"
)


def measure(bench: Bench) -> Iterator[Row]:
    """Three rows: our lean server, and our function in functions-framework until it answers and until it listens."""
    with pinned(ASKING_CPU):
        lean, framework, bare, ours_open, bare_open, python, constant, node = compare(
            [
                make_contestant("IntellyHub", partial(prepare, bench, make_our_worker)),
                make_contestant("IntellyHub", partial(prepare, bench, make_our_function)),
                make_contestant(BARE, partial(prepare, bench, partial(make_framework, "hello"))),
                make_contestant("IntellyHub", partial(prepare, bench, make_our_function, wait_until_open)),
                make_contestant(BARE, partial(prepare, bench, partial(make_framework, "hello"), wait_until_open)),
                make_contestant("python -c pass", prepare_python),
                make_contestant("lean server, constant", partial(prepare, bench, partial(make_lean, "constant"))),
                make_contestant("Node.js hello world", partial(prepare, bench, make_node), optional=True),
            ],
            bench.rounds(ROUNDS),
        )
    row = partial(Row, topic="start", unit="ms")
    yield row(
        what="worker exec to ready, lean server",
        ours=lean,
        peers=(python, constant, node, bare),
        budgets=(Budget(limit=60),),
        method=LEAN_METHOD,
    )
    yield row(
        what="worker exec to ready, functions-framework mode",
        ours=framework,
        peers=(bare,),
        budgets=(Budget(limit=1.05, peer=BARE),),
        method=FRAMEWORK_METHOD,
    )
    yield row(
        what="worker exec to open port, functions-framework mode",
        ours=ours_open,
        peers=(bare_open,),
        method=OPEN_METHOD,
    )


def make_our_worker() -> Server:
    return make_worker("order.yaml", expected=EXPECTED)


def make_our_function() -> Server:
    return make_our_framework("order.yaml", expected=EXPECTED)


def prepare(
    bench: Bench, make: Callable[[], Server], wait: Callable[[Child, bytes], object] = wait_until_ready
) -> Measure:
    """Milliseconds from exec to what is waited for: by default the first success."""
    server = make()

    def sample() -> float:
        started = time.perf_counter()
        child = server.start(bench.scratch)
        try:
            wait(child, server.request)
            spent = time.perf_counter() - started
            wait_until_ready(child, server.request)
            server.check(child)
        finally:
            child.stop()
        return spent * 1e3

    return sample


def prepare_python() -> Measure:
    """Milliseconds for the interpreter alone."""

    def sample() -> float:
        started = time.perf_counter()
        with pinned(SERVING_CPU):
            subprocess.run([sys.executable, "-c", "pass"], check=True)
        return (time.perf_counter() - started) * 1e3

    return sample
