"""One guard and one template in every expression and template library, compiled as far as each of them can.

Each function returns a function of the scope (a plain dict) that gives the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = [
    "EXPECTED_TEXT",
    "SCOPE",
    "Evaluate",
    "make_cel_guard",
    "make_format_template",
    "make_fstring_template",
    "make_jinja_guard",
    "make_jinja_template",
    "make_lambda_guard",
    "make_simpleeval_guard",
]

Evaluate = Callable[[Mapping[str, Any]], Any]

SCOPE: Mapping[str, Any] = {
    "total": 129.5,
    "status": "open",
    "customer": "Ada Lovelace",
    "order_id": 4711,
    "country": "IT",
    "attempts": 1,
}

GUARD = "total > 100 and status == 'open'"
EXPECTED_TEXT = "Order 4711 of Ada Lovelace (IT)"


def make_lambda_guard() -> Evaluate:
    """The floor: what a person would write in Python."""
    return lambda scope: scope["total"] > 100 and scope["status"] == "open"


def make_simpleeval_guard() -> Evaluate:
    """Parsed once: https://pypi.org/project/simpleeval."""
    import simpleeval

    evaluator = simpleeval.SimpleEval()
    parsed = evaluator.parse(GUARD)

    def evaluate(scope: Mapping[str, Any]) -> Any:
        evaluator.names = scope
        return evaluator.eval(GUARD, previously_parsed=parsed)

    return evaluate


def make_cel_guard() -> Evaluate:
    """Compiled once; the two values it reads are converted at each call: https://pypi.org/project/cel-python."""
    import celpy
    import celpy.celtypes

    environment = celpy.Environment(runner_class=celpy.CompiledRunner)
    program = environment.program(environment.compile(GUARD.replace(" and ", " && ").replace("100", "100.0")))
    make_number, make_text = celpy.celtypes.DoubleType, celpy.celtypes.StringType

    def evaluate(scope: Mapping[str, Any]) -> Any:
        return program.evaluate({"total": make_number(scope["total"]), "status": make_text(scope["status"])})

    return evaluate


def make_jinja_guard() -> Evaluate:
    """A compiled expression in the sandbox that foreign text needs: https://jinja.palletsprojects.com."""
    import jinja2.sandbox

    return jinja2.sandbox.SandboxedEnvironment().compile_expression(GUARD)


def make_fstring_template() -> Evaluate:
    """The floor: what a person would write in Python."""
    return lambda scope: f"Order {scope['order_id']} of {scope['customer']} ({scope['country']})"


def make_format_template() -> Evaluate:
    """Python's own str.format, which a flow must not be given: its attribute access reaches everything."""
    return "Order {order_id} of {customer} ({country})".format_map


def make_jinja_template() -> Evaluate:
    """A compiled template in the sandbox that foreign text needs: https://jinja.palletsprojects.com."""
    import jinja2.sandbox

    text = "Order {{ order_id }} of {{ customer }} ({{ country }})"
    return jinja2.sandbox.SandboxedEnvironment().from_string(text).render
