"""The states that only look at variables and choose: if, switch, set, assert, end. No effect, no journal, no wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError, StepFailed
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.language.expressions.codes import Code, link
from intellyhub_engine.language.values.values import text_of, wrap
from intellyhub_engine.machine.active import NOTHING
from intellyhub_engine.machine.states.failures import error_target_of
from intellyhub_engine.machine.states.node import Advance, Move, Node, success_target
from intellyhub_engine.machine.states.outputs import make_assign

if TYPE_CHECKING:
    from intellyhub_engine.language.program import StateCode
    from intellyhub_engine.machine.active import ActiveRun
    from intellyhub_engine.machine.states.nodes import Nodes

__all__ = ["make_assert", "make_end", "make_if", "make_pass", "make_set", "make_switch"]

ABSENT = object()
UNIVERSAL = frozenset({str, int, bool, float, type(None)})
"""Types that every value of is a variable's value already."""


def make_pure(code: StateCode, nodes: Nodes, advance: Advance) -> Node:
    return Node(code, advance, error_target=error_target_of(code, nodes), pure=True)


def required(code: StateCode, name: str) -> Code:
    """A parameter's code; a state without it cannot run."""
    if name not in code.codes:
        raise PermanentError(f"the state {code.name!r} needs the parameter {name!r}")
    return code.codes[name]


def make_if(code: StateCode, nodes: Nodes) -> Node:
    """A condition that cannot be evaluated takes the error edge, else counts as false (FLOW_LANGUAGE section 7)."""
    holds = link(required(code, "condition"))
    otherwise = code.targets.get("next")
    yes: Move = (code.targets.get("true", otherwise), NOTHING)
    no: Move = (code.targets.get("false", otherwise), NOTHING)
    if "error" in code.targets:
        return make_pure(code, nodes, lambda run: yes if holds(run.scope) else no)

    def advance(run: ActiveRun) -> Move:
        try:
            return yes if holds(run.scope) else no
        except StepFailed as fault:
            run.log("error", f"the condition of {code.name!r} cannot be evaluated and counts as false: {fault}")
            return no

    return make_pure(code, nodes, advance)


def make_switch(code: StateCode, nodes: Nodes) -> Node:
    """Cases are compared as text."""
    subject = link(required(code, "value"))
    cases: dict[str, Move] = {
        label.removeprefix("case:"): (target, NOTHING)
        for label, target in code.targets.items()
        if label.startswith("case:")
    }
    default: Move = (code.targets.get("default", code.targets.get("next")), NOTHING)

    def advance(run: ActiveRun) -> Move:
        value = subject(run.scope)
        if type(value) is str:
            return cases.get(value, default)
        return next((cases[text] for text in spellings_of(value) if text in cases), default)

    return make_pure(code, nodes, advance)


def spellings_of(value: Any) -> tuple[str, ...]:
    """How an author may write the case of a value that is no text."""
    if isinstance(value, bool):
        return str(value).lower(), str(value)
    if value is None:
        return "", "null", "none", "None"
    whole = (str(int(value)),) if isinstance(value, float) and value.is_integer() else ()
    return (*whole, text_of(value))


def make_set(code: StateCode, nodes: Nodes) -> Node:
    """Each value sees those before it."""
    values = [(name, link(value)) for name, value in code.codes.items()]
    target = success_target(code)
    if not values:
        move: Move = (target, NOTHING)
        return make_pure(code, nodes, lambda run: move)
    if len(values) == 1:
        return make_pure(code, nodes, make_set_one(*values[0], target))

    def advance(run: ActiveRun) -> Move:
        scope = run.scope
        changes: dict[str, Any] = {}
        before: list[tuple[str, Any]] = []
        try:
            for name, evaluate in values:
                value = evaluate(scope)
                before.append((name, dict.get(scope, name, ABSENT)))
                scope[name] = changes[name] = value if type(value) in UNIVERSAL else wrap(value)
        except Exception:
            take_back(scope, before)
            raise
        return target, changes

    return make_pure(code, nodes, advance)


def take_back(scope: dict[str, Any], before: list[tuple[str, Any]]) -> None:
    """A `set` that fails has set nothing."""
    for name, value in reversed(before):
        if value is ABSENT:
            scope.pop(name, None)
        else:
            scope[name] = value


def make_set_one(name: str, evaluate: Callable[[Any], Any], target: str | None) -> Advance:
    def advance(run: ActiveRun) -> Move:
        value = evaluate(run.scope)
        if type(value) not in UNIVERSAL:
            value = wrap(value)
        run.scope[name] = value
        return target, {name: value}

    return advance


def make_assert(code: StateCode, nodes: Nodes) -> Node:
    """Fails where its condition does not hold."""
    holds = link(required(code, "condition"))
    message = link(code.codes["message"]) if "message" in code.codes else None
    move: Move = (success_target(code), NOTHING)

    def advance(run: ActiveRun) -> Move:
        if holds(run.scope):
            return move
        raise PermanentError(text_of(message(run.scope)) if message else f"the assertion {code.name!r} does not hold")

    return make_pure(code, nodes, advance)


def make_end(code: StateCode, nodes: Nodes) -> Node:
    """Ends the run, with an answer or as failed where it says so. A message is the answer where there is no other."""
    result, status, message = (
        link(code.codes[name]) if name in code.codes else None for name in ("result", "status", "message")
    )

    def advance(run: ActiveRun) -> Move:
        scope = run.scope
        failed = status is not None and text_of(status(scope)) == RunStatus.FAILED.value
        answer = result or (None if failed else message)
        output = wrap(answer(scope)) if answer else None
        run.error = end_message(text_of(message(scope)) if message else "", failed, code.name)
        run.output = output
        run.status = RunStatus.FAILED if failed else RunStatus.SUCCEEDED
        return None, NOTHING

    if not code.codes:
        return make_pure(code, nodes, lambda run: END_HERE)
    return make_pure(code, nodes, advance)


END_HERE: Move = (None, NOTHING)


def end_message(message: str, failed: bool, state: str) -> str | None:
    return (message or f"the flow ended in {state!r} as failed") if failed else None


def make_pass(code: StateCode, nodes: Nodes) -> Node:
    """A listener placed in the graph: on a run it only names parts of the event."""
    target = success_target(code)
    assign = make_assign(code.output)

    def advance(run: ActiveRun) -> Move:
        changes = assign(run.scope.get("event"), run.scope)
        run.scope.update(changes)
        return target, changes

    return make_pure(code, nodes, advance)
