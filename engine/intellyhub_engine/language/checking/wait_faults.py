"""Waits that do not say what for, or say it in a way that no run could follow."""

from __future__ import annotations

from collections.abc import Iterator

from intellyhub_engine.catalogue.control import WAIT_REASONS
from intellyhub_engine.language.checking.graph_faults import place
from intellyhub_engine.language.checking.parameter_faults import is_dynamic
from intellyhub_engine.language.durations import moment_of, seconds_of
from intellyhub_engine.language.model import Flow, State
from intellyhub_engine.language.problems import Problem, ProblemCode

__all__ = ["find_wait_faults"]


def find_wait_faults(flow: Flow) -> Iterator[Problem]:
    """Every fault of the flow's waits that needs no run to be seen."""
    for state in flow.states.values():
        if state.type == "wait":
            yield from _wrong_number(flow, state)
            yield from _wrong_times(flow, state)


def _wrong_number(flow: Flow, state: State) -> Iterator[Problem]:
    given = [name for name in WAIT_REASONS if state.parameters.get(name) not in (None, "")]
    if len(given) == 1:
        return
    said = f"waits for several things: {', '.join(given)}" if given else "does not say what it waits for"
    yield Problem(
        code=ProblemCode.MISSING_PARAMETER if not given else ProblemCode.SEVERAL_ACTIONS,
        message=f"'{state.name}' {said}",
        position=place(flow, state, given[1]) if given else state.position,
        state=state.name,
        expected=f"one of {', '.join(WAIT_REASONS)}",
        suggestion="keep one of them" if given else None,
    )


def _wrong_times(flow: Flow, state: State) -> Iterator[Problem]:
    for name, read, expected in (
        ("seconds", seconds_of, "a number of seconds, such as 90"),
        ("duration", seconds_of, "90s, 5m, 2h, 1d, or ISO 8601 such as PT5M"),
        ("until", moment_of, "a moment such as 2026-01-31T09:00:00Z"),
    ):
        value = state.parameters.get(name)
        if value in (None, "") or is_dynamic(value, dollar_names=flow.dollar_names) or read(value) is not None:
            continue
        yield Problem(
            code=ProblemCode.WRONG_VALUE,
            message=f"`{name}` of '{state.name}' cannot be {value!r}",
            position=place(flow, state, name),
            state=state.name,
            expected=expected,
        )
