"""A guard and a template, compiled."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.benchmarks.bench import Bench
from tests.benchmarks.child import SERVING_CPU, pinned
from tests.benchmarks.peers import expressions
from tests.benchmarks.rounds import Measure, compare, make_contestant
from tests.benchmarks.row import Budget, Row

__all__ = ["measure"]

ROUNDS = 15
CALLS = 5000
LAMBDA = "Python lambda"
FSTRING = "f-string"

GUARD = "{total} > 100 and '{status}' == 'open'"
TEMPLATE = "Order {order_id} of {customer} ({country})"

GUARD_METHOD = (
    f"`{GUARD}`, as flow authors write it, against the same condition in each library's own spelling, parsed or "
    f"compiled before; {CALLS:,} evaluations per round on six variables"
)
TEMPLATE_METHOD = f"`{TEMPLATE}`, compiled before; {CALLS:,} evaluations per round on six variables"


def measure(bench: Bench) -> Iterator[Row]:
    """Two rows."""
    guards = [
        make_contestant("IntellyHub", prepare_guard),
        peer(LAMBDA, expressions.make_lambda_guard, True),
        peer("simpleeval", expressions.make_simpleeval_guard, True),
        peer("cel-python", expressions.make_cel_guard, True),
        peer("jinja2", expressions.make_jinja_guard, True),
    ]
    templates = [
        make_contestant("IntellyHub", prepare_template),
        peer(FSTRING, expressions.make_fstring_template, expressions.EXPECTED_TEXT),
        peer("str.format", expressions.make_format_template, expressions.EXPECTED_TEXT),
        peer("jinja2", expressions.make_jinja_template, expressions.EXPECTED_TEXT),
    ]
    with pinned(SERVING_CPU):
        guard, *guard_peers = compare(guards, bench.rounds(ROUNDS))
        template, *template_peers = compare(templates, bench.rounds(ROUNDS))
    row = partial(Row, topic="guard", unit="µs")
    yield row(
        what="guard, compiled",
        ours=guard,
        peers=tuple(guard_peers),
        budgets=(Budget(limit=0.4), Budget(limit=4, peer=LAMBDA)),
        method=GUARD_METHOD,
    )
    yield row(
        what="template, compiled",
        ours=template,
        peers=tuple(template_peers),
        budgets=(Budget(limit=1), Budget(limit=3.1, peer=FSTRING)),
        method=TEMPLATE_METHOD,
    )


def peer(name: str, make: Callable[[], expressions.Evaluate], expected: Any) -> Any:
    return make_contestant(name, lambda: prepare(make(), dict(expressions.SCOPE), expected))


def prepare_guard() -> Measure:
    from intellyhub_engine.language.expressions.codes import link
    from intellyhub_engine.language.texts.conditions import compile_condition
    from intellyhub_engine.language.values.scope import Scope

    return prepare(link(compile_condition(GUARD)), Scope(expressions.SCOPE), True)


def prepare_template() -> Measure:
    from intellyhub_engine.language.expressions.codes import link
    from intellyhub_engine.language.texts.templates import compile_template
    from intellyhub_engine.language.values.scope import Scope

    return prepare(link(compile_template(TEMPLATE)), Scope(expressions.SCOPE), expressions.EXPECTED_TEXT)


def prepare(evaluate: Callable[[Any], Any], scope: Any, expected: Any) -> Measure:
    """Microseconds of CPU per evaluation, after a look at the value."""
    value = evaluate(scope)
    if value != expected:
        raise RuntimeError(f"gave {value!r} instead of {expected!r}")
    names = {"evaluate": evaluate, "scope": scope}
    timer = timeit.Timer("evaluate(scope)", "import gc; gc.enable()", timer=time.process_time, globals=names)
    return lambda: timer.timeit(CALLS) / CALLS * 1e6
