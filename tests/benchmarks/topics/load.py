"""From a flow's text to its program, and from the compiled cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from tests.benchmarks.bench import Bench
from tests.benchmarks.child import SERVING_CPU, pinned
from tests.benchmarks.long_flow import LINES, make_long_flow
from tests.benchmarks.rounds import Measure, compare, make_contestant
from tests.benchmarks.row import Budget, Row

__all__ = ["measure"]

ROUNDS = 30
LOADS = 3
CACHED_LOADS = 30
YAML = "PyYAML C loader"

TEXT_METHOD = (
    f"a made-up flow of {LINES} lines (states of seven types, templates, conditions, shell lines, Python blocks): "
    "parse, check with all its faults, and the program, as a worker does before it is ready; the peer reads the same "
    "text into plain dictionaries with PyYAML's C loader and does nothing else"
)
PARSE_METHOD = "the same without the check: parse, and a program whose states are compiled when a run first visits them"
WHOLE_METHOD = "the same, and every state compiled at once and packed for the cache, as a build does"
CACHE_METHOD = "the packed program of the same flow, unpacked until it can run"


def measure(bench: Bench) -> Iterator[Row]:
    """Four rows: text, text without the check, text with everything compiled, cache."""
    contestants = [
        make_contestant("IntellyHub", prepare_text),
        make_contestant("IntellyHub", prepare_parse),
        make_contestant("IntellyHub", partial(prepare_text, whole=True)),
        make_contestant("IntellyHub", prepare_cache),
        make_contestant(YAML, prepare_yaml),
    ]
    with pinned(SERVING_CPU):
        text, parsed, whole, cache, yaml = compare(contestants, bench.rounds(ROUNDS))
    row = partial(Row, topic="load", unit="ms", peers=(yaml,))
    yield row(
        what="load a 300-line flow: text",
        ours=text,
        budgets=(Budget(limit=3), Budget(limit=1.36, peer=YAML)),
        method=TEXT_METHOD,
    )
    yield row(what="load a 300-line flow: text, not checked", ours=parsed, method=PARSE_METHOD)
    yield row(what="load a 300-line flow: text, packed for the cache", ours=whole, method=WHOLE_METHOD)
    yield row(
        what="load a 300-line flow: compiled cache", ours=cache, budgets=(Budget(limit=0.1),), method=CACHE_METHOD
    )


def prepare_text(*, whole: bool = False) -> Measure:
    from intellyhub_engine.language.compile import compile_flow, dump
    from intellyhub_engine.language.load import load_flow
    from tests.benchmarks.ours import make_catalogue

    catalogue = make_catalogue()
    text = make_long_flow().encode()

    def load() -> object:
        flow, _ = load_flow(text, catalogue, "long")
        program = compile_flow(flow, catalogue)
        return dump(program) if whole else program

    return make_measure(load, LOADS)


def prepare_parse() -> Measure:
    from intellyhub_engine.language.compile import compile_flow
    from intellyhub_engine.language.parsing.parse import parse
    from tests.benchmarks.ours import make_catalogue

    catalogue = make_catalogue()
    text = make_long_flow().encode()

    def load() -> object:
        flow = parse(text, catalogue, name="long").flow
        assert flow is not None
        return compile_flow(flow, catalogue)

    return make_measure(load, LOADS)


def prepare_cache() -> Measure:
    from intellyhub_engine.language.compile import compile_flow, dump, load
    from intellyhub_engine.language.load import load_flow
    from tests.benchmarks.ours import make_catalogue

    catalogue = make_catalogue()
    flow, _ = load_flow(make_long_flow().encode(), catalogue, "long")
    packed = dump(compile_flow(flow, catalogue))
    return make_measure(lambda: load(packed), CACHED_LOADS)


def prepare_yaml() -> Measure:
    import yaml

    text = make_long_flow().encode()
    return make_measure(lambda: yaml.load(text, Loader=yaml.CSafeLoader), LOADS)


def make_measure(load: Callable[[], object], times: int) -> Measure:
    """Milliseconds of CPU per load."""

    def sample() -> float:
        started = time.process_time()
        for _ in range(times):
            load()
        return (time.process_time() - started) / times * 1e3

    return sample
