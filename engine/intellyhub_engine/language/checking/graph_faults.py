"""Targets nobody has, states nothing leads to, rounds that never end."""

from __future__ import annotations

from collections.abc import Iterator

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.language.checking.edges import LEAVING, cycles, edges_of, may_end, reachable, successors
from intellyhub_engine.language.model import BREAK, CONTINUE, END, Flow, State
from intellyhub_engine.language.problems import Position, Problem, ProblemCode, Severity
from intellyhub_engine.language.spelling import did_you_mean, find_state_type

__all__ = ["find_graph_faults"]

MAX_NAMES = 10
"""How many states of a round are named."""

ALWAYS_TRUE = frozenset(("true", "1", "{true}", "not false"))


def find_graph_faults(flow: Flow, catalogue: Catalogue) -> Iterator[Problem]:
    """Every fault of the flow's graph."""
    edges = {name: edges_of(state, flow, catalogue).values() for name, state in flow.states.items()}
    come_to = reachable(flow.start, lambda name: edges.get(name, ()))
    yield from _unknown_targets(flow)
    yield from _unreachable(flow, come_to)
    yield from _endless_cycles(flow, catalogue, come_to)
    yield from _endless_whiles(flow)
    yield from _unrepeated_loops(flow)
    yield from _endless_calls(flow)


def place(flow: Flow, state: State, key: str) -> Position | None:
    """Where a part of a state stands, else the state itself."""
    return (flow.places.of(state.name, key) if flow.places else None) or state.position


def _unknown_targets(flow: Flow) -> Iterator[Problem]:
    known = [*flow.states, END]
    has_loop = any(state.type == "loop" for state in flow.states.values())
    for state in flow.states.values():
        for label, target in state.targets.items():
            lost = target in (CONTINUE, BREAK) and not has_loop
            if not lost and (target in flow.states or target in LEAVING):
                continue
            why = "which is for loops, and there is none" if lost else "which is no state; a run that comes there fails"
            yield Problem(
                code=ProblemCode.UNKNOWN_TARGET,
                message=f"'{state.name}' goes to '{target}', {why}",
                severity=Severity.WARNING,
                position=place(flow, state, f"->{label}"),
                state=state.name,
                expected="the name of a state, or `end`",
                suggestion=None if lost else did_you_mean(target, known),
            )


def _unreachable(flow: Flow, come_to: set[str]) -> Iterator[Problem]:
    """A listener state may stand apart, and so may an end without answer; of a nested body only the owner is told."""
    lost = {name: state for name, state in flow.states.items() if name not in come_to}
    for name, state in lost.items():
        apart = state.type == "listener-state" or (state.type == "end" and not state.parameters)
        if apart or any(owner in lost for owner in owners_of(name)):
            continue
        yield Problem(
            code=ProblemCode.UNREACHABLE_STATE,
            message=f"no transition leads to '{name}'",
            severity=Severity.WARNING,
            position=state.position,
            state=name,
            suggestion=f"remove it, or go to it from another state; the run begins at '{flow.start}'",
        )


def owners_of(name: str) -> Iterator[str]:
    """The names of the states in whose bodies a state stands, and of what lies between."""
    at = name.find("/")
    while at > 0:
        yield name[:at]
        at = name.find("/", at + 1)


def _endless_cycles(flow: Flow, catalogue: Catalogue, come_to: set[str]) -> Iterator[Problem]:
    graph = {name: successors(state) for name, state in flow.states.items()}
    order = {name: index for index, name in enumerate(flow.states)}
    for cycle in cycles(graph):
        members = set(cycle)
        if not members & come_to or any(_can_leave(flow.states[name], members, flow, catalogue) for name in cycle):
            continue
        names = sorted(cycle, key=order.__getitem__)
        yield Problem(
            code=ProblemCode.ENDLESS_LOOP,
            message="nothing leads out of " + _round(names),
            position=flow.states[names[0]].position,
            state=names[0],
            expected="a branch, a `wait` or an end on the way",
            suggestion=f"lead one of them to `end`, or put an `if` before going back to '{names[0]}'",
        )


def _round(names: list[str]) -> str:
    shown = names if len(names) <= MAX_NAMES else [*names[: MAX_NAMES - 1], "…"]
    return " -> ".join([*shown, names[0]])


def _can_leave(state: State, members: set[str], flow: Flow, catalogue: Catalogue) -> bool:
    """A type nobody knows may go anywhere; a wait may last as long as it likes."""
    if state.type == "wait" or may_end(state) or find_state_type(state.type, catalogue) is None:
        return True
    return any(target not in members for target in edges_of(state, flow, catalogue).values())


def _endless_whiles(flow: Flow) -> Iterator[Problem]:
    for state in flow.states.values():
        condition = state.parameters.get("condition")
        if state.type != "loop" or str(condition).strip().lower() not in ALWAYS_TRUE:
            continue
        if not _body_can_leave(flow, state):
            yield Problem(
                code=ProblemCode.ENDLESS_WHILE,
                message=f"the condition of '{state.name}' is always true and its body never leaves it",
                severity=Severity.WARNING,
                position=place(flow, state, "condition"),
                state=state.name,
                expected="a condition that becomes false, or a transition to `break`",
                suggestion="go to `break` where the work is done",
            )


def _unrepeated_loops(flow: Flow) -> Iterator[Problem]:
    """A body that never goes back to its loop; mapped items do not go back, each has a run of its own."""
    for state in flow.states.values():
        if state.type != "loop" or state.parameters.get("concurrency"):
            continue
        body = _body_of(flow, state)
        ends = END in body or any(may_end(flow.states[name]) for name in body if name in flow.states)
        if ends and state.name not in body and body <= flow.states.keys() | {END}:
            yield Problem(
                code=ProblemCode.UNREPEATED_LOOP,
                message=f"the body of '{state.name}' never goes back to it: the run ends after the first pass",
                severity=Severity.WARNING,
                position=place(flow, state, "->body"),
                state=state.name,
                expected="a transition to `continue_loop` at the end of the body",
                suggestion="write `transition: continue_loop` in the last state of the body",
            )


def _body_of(flow: Flow, loop: State) -> set[str]:
    """Every target that a pass can come to; not what follows the loop."""
    return reachable(
        loop.targets.get("body", CONTINUE),
        lambda name: flow.states[name].targets.values() if name in flow.states and name != loop.name else (),
    )


def _body_can_leave(flow: Flow, loop: State) -> bool:
    body = _body_of(flow, loop)
    inside = [flow.states[name] for name in body if name in flow.states and name != loop.name]
    return any(name not in flow.states and name != CONTINUE for name in body) or any(
        state.type == "wait" or may_end(state) for state in inside
    )


def _endless_calls(flow: Flow) -> Iterator[Problem]:
    """Follows the one way a run can take; a call of the flow itself on it never comes to an end."""
    name, seen = flow.start, set[str]()
    while name in flow.states and name not in seen:
        seen.add(name)
        state = flow.states[name]
        if state.type == "call" and state.parameters.get("flow") == flow.name:
            yield Problem(
                code=ProblemCode.ENDLESS_CALL,
                message=f"'{name}' calls this flow itself, in every run",
                position=place(flow, state, "flow"),
                state=name,
                expected="a branch before a flow calls itself",
                suggestion="put an `if` before it",
            )
        ways = successors(state)
        if len(ways) != 1 or may_end(state):
            return
        name = ways.pop()
