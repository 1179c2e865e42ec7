"""Transitions without an effect: with the trace that every run keeps, and with the journal's record built."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from tests.benchmarks.bench import Bench
from tests.benchmarks.child import SERVING_CPU, pinned
from tests.benchmarks.peers import machines
from tests.benchmarks.rounds import Contestant, Measure, compare, make_contestant
from tests.benchmarks.row import Budget, Row

__all__ = ["measure"]

STEPS = 3000
ROUNDS = 15
DICT_LOOP = "dict loop"

METHOD = (
    f"a traffic light of three states that pass on to each other, {STEPS:,} transitions per round in one run, the "
    "run's own start and end included in ours; ours keeps the full trace (state, type, times, outcome, changes), the "
    "libraries keep none, the dict loop a number and two names"
)
RECORD_METHOD = (
    "the same run with a journal that builds each record to its last byte, as the SQLite journal does, and throws it "
    "away"
)
COUNTER_METHOD = (
    "a counting loop of two states, `set` with one computed value and `if` with a comparison, so that templates, "
    "conditions and the changes in the trace count too; per transition"
)


def measure(bench: Bench) -> Iterator[Row]:
    """Three rows: trace, record, and a loop that computes."""
    peers = [
        make_contestant(DICT_LOOP, partial(prepare_peer, machines.make_dict_loop)),
        make_contestant("automat", partial(prepare_peer, machines.make_automat)),
        make_contestant("transitions", partial(prepare_peer, machines.make_transitions)),
        make_contestant("burr", partial(prepare_peer, machines.make_burr, STEPS // 10)),
        make_contestant("python-statemachine", partial(prepare_peer, machines.make_statemachine, STEPS // 10)),
    ]
    ours = make_ours("light.yaml", journal=False)
    record = make_ours("light.yaml", journal=True)
    counter = make_ours("counter.yaml", journal=False)
    with pinned(SERVING_CPU):
        trace, built, counted, *figures = compare([ours, record, counter, *peers], bench.rounds(ROUNDS))
    row = partial(Row, topic="transition", unit="µs")
    yield row(
        what="transition with trace, no effect",
        ours=trace,
        peers=tuple(figures),
        budgets=(Budget(limit=0.8), Budget(limit=6.7, peer=DICT_LOOP)),
        method=METHOD,
    )
    yield row(
        what="transition with its journal record built",
        ours=built,
        budgets=(Budget(limit=2.5),),
        method=RECORD_METHOD,
    )
    yield row(what="transition of a loop that computes", ours=counted, method=COUNTER_METHOD)


def make_ours(flow: str, *, journal: bool) -> Contestant:
    return make_contestant("IntellyHub", partial(prepare_ours, flow, journal=journal))


def prepare_ours(flow: str, *, journal: bool) -> Measure:
    """Microseconds of CPU per transition of a run that is ended by its step limit."""
    from intellyhub_engine.machine.run import start
    from tests.benchmarks import ours

    program = ours.make_program(flow)
    kept = ours.DiscardingJournal() if journal else None
    host = ours.make_host(journal=kept)

    def sample() -> float:
        started = time.process_time()
        result = start(program, host, variables={"limit": STEPS}, max_steps=STEPS)
        spent = time.process_time() - started
        made = kept.entries if kept else len(result.entries)
        if made < STEPS:
            raise RuntimeError(f"the run made {made} entries: {result.error}")
        return spent / STEPS * 1e6

    return sample


def prepare_peer(make: Callable[[], machines.Cycle], steps: int = STEPS) -> Measure:
    """Microseconds of CPU per transition."""
    cycle = make()

    def sample() -> float:
        started = time.process_time()
        cycle(steps)
        return (time.process_time() - started) / steps * 1e6

    return sample
