"""Names a flow gives that cannot be used, and names its tests use that it does not have."""

from __future__ import annotations

import keyword
from collections.abc import Iterator

from intellyhub_engine.catalogue.names import fold
from intellyhub_engine.language.checking.graph_faults import place
from intellyhub_engine.language.model import Flow, State
from intellyhub_engine.language.problems import Position, Problem, ProblemCode
from intellyhub_engine.language.spelling import did_you_mean

__all__ = ["find_name_faults"]


def find_name_faults(flow: Flow) -> Iterator[Problem]:
    """Every unusable variable name, and every state a test names in vain."""
    for state in flow.states.values():
        for key, name in _given_names(state):
            if not is_name(name):
                yield _invalid(name, f"'{key}' of '{state.name}'", place(flow, state, key), state.name)
    if flow.listener is not None and flow.listener.output is not None and not is_name(flow.listener.output):
        yield _invalid(flow.listener.output, "'output' of the listener", flow.listener.position, None)
    yield from _test_faults(flow)


def is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _given_names(state: State) -> Iterator[tuple[str, str]]:
    if isinstance(state.output, str):
        yield "output", state.output
    elif state.output is not None:
        yield from (("output", name) for name in state.output)
    item = state.parameters.get("item_var")
    if state.type == "loop" and isinstance(item, str):
        yield "item_var", item
    values = state.parameters.get("values")
    if state.type == "set" and isinstance(values, dict):
        yield from (("values", str(name)) for name in values)


def _invalid(name: str, what: str, at: Position | None, state: str | None) -> Problem:
    usable = "".join(each if each.isalnum() else "_" for each in fold(name.strip("{}$ ")))
    return Problem(
        code=ProblemCode.INVALID_NAME,
        message=f"{what} is {name!r}, which no variable can be called",
        position=at,
        state=state,
        expected="a name of letters, digits and _, not beginning with a digit",
        suggestion=f"write {usable}" if is_name(usable) else None,
    )


def _test_faults(flow: Flow) -> Iterator[Problem]:
    for test in flow.tests:
        for name in (*test.mocks, *(test.expected_path or ())):
            if name not in flow.states and name != "end":
                yield Problem(
                    code=ProblemCode.UNKNOWN_TEST_STATE,
                    message=f"the test '{test.name}' names '{name}', which is no state",
                    position=test.position,
                    expected="the name of a state; nested ones are written like 'each/notify'",
                    suggestion=did_you_mean(name, flow.states),
                )
