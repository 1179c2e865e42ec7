"""State types nobody has, parameters that are missing, unknown, or of the wrong type."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.control import CONTROL
from intellyhub_engine.catalogue.manifest import Catalogue, Parameter, SourceType, StateType, Syntax
from intellyhub_engine.catalogue.names import fold
from intellyhub_engine.language.checking.graph_faults import place
from intellyhub_engine.language.model import Flow, State
from intellyhub_engine.language.parsing.bodies import COMMENT_KEYS, COMMON_KEYS
from intellyhub_engine.language.parsing.findings import kind_of
from intellyhub_engine.language.problems import Position, Problem, ProblemCode, Severity
from intellyhub_engine.language.spelling import did_you_mean, find_state_type

__all__ = ["StatePlaces", "faults_of_given", "find_parameter_faults", "is_dynamic", "own_faults", "unknown_ones"]

PLACEHOLDER = re.compile(r"\{[^{}\n]+\}|\{[{%]")
DOLLAR = re.compile(r"\$[^\W\d]")
INTEGER_TEXT = re.compile(r"\s*[-+]?\d+\s*")
NUMBER_TEXT = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*")
BOOLEAN_TEXT = frozenset(("true", "false", "yes", "no", "on", "off", "1", "0"))

STEERING_KEYS = COMMON_KEYS - set(COMMENT_KEYS)
"""What a misspelled key may have been meant to be."""

TYPE_TESTS: Mapping[str, Callable[[Any], bool]] = {
    "any": lambda value: True,
    "string": lambda value: isinstance(value, str | int | float),
    "integer": lambda value: _is_integer(value) or (isinstance(value, str) and bool(INTEGER_TEXT.fullmatch(value))),
    "number": lambda value: _is_number(value) or (isinstance(value, str) and bool(NUMBER_TEXT.fullmatch(value))),
    "boolean": lambda value: isinstance(value, bool) or str(value).strip().lower() in BOOLEAN_TEXT,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}

TYPE_NAMES: Mapping[str, str] = {
    "any": "any value",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
"""What the types of JSON Schema are called where a person reads."""


def find_parameter_faults(flow: Flow, catalogue: Catalogue) -> Iterator[Problem]:
    """Every fault of the parameters of states."""
    for state in flow.states.values():
        kind = find_state_type(state.type, catalogue)
        if kind is None:
            yield _unknown_type(flow, state, catalogue)
            yield from _misspelled_common(flow, state)
            continue
        if not kind.installed:
            yield _not_installed(flow, state, kind)
        where = StatePlaces(flow, state)
        yield from faults_of_given(where, state.parameters, kind.parameters, strict=kind.installed)
        if kind.open_parameters:
            yield from _misspelled_common(flow, state)
        else:
            yield from unknown_ones(where, state.parameters, kind.parameters)
        yield from own_faults(where, state.parameters, kind)


def is_dynamic(value: Any, *, dollar_names: bool) -> bool:
    """Whether a value is known only when the flow runs."""
    return isinstance(value, str) and bool(PLACEHOLDER.search(value) or (dollar_names and DOLLAR.search(value)))


def fits(value: Any, types: tuple[str, ...]) -> bool:
    """Whether a literal is of one of the types, or a text that converts to it."""
    return any(TYPE_TESTS[type_](value) for type_ in types)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class StatePlaces:
    """Where the parameters of one state stand, and what it is called in messages."""

    def __init__(self, flow: Flow, state: State) -> None:
        self.flow = flow
        self.state: State | None = state
        self.what = f"'{state.name}'"
        self.name: str | None = state.name

    def at(self, key: str) -> Position | None:
        return place(self.flow, self.state, key) if self.state else None

    def along(self, path: tuple[str | int, ...]) -> Position | None:
        """Where the way into a parameter's value leads."""
        found = self.flow.places.along(self.state.name, path) if self.state and self.flow.places and path else None
        return found or self.begins()

    def begins(self) -> Position | None:
        return self.state.position if self.state else None


def faults_of_given(
    where: StatePlaces, given: Mapping[str, Any], parameters: Mapping[str, Parameter], *, strict: bool
) -> Iterator[Problem]:
    """What is missing, and what cannot be meant."""
    for parameter in parameters.values():
        if parameter.name in STEERING_KEYS and parameter.name not in given:
            continue
        value = given.get(parameter.name)
        if value is not None:
            yield from _check_value(where, parameter, value)
        elif parameter.required:
            yield Problem(
                code=ProblemCode.MISSING_PARAMETER,
                message=f"{where.what} has no `{parameter.name}`",
                severity=Severity.ERROR if strict else Severity.WARNING,
                position=where.begins(),
                state=where.name,
                expected=f"`{parameter.name}`" + (f": {parameter.description}" if parameter.description else ""),
                suggestion=_misspelled_as(parameter.name, given, parameters),
            )


def _misspelled_as(name: str, given: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> str | None:
    """Which of the keys that are there was meant."""
    return did_you_mean(name, [key for key in given if key not in parameters])


def _check_value(where: StatePlaces, parameter: Parameter, value: Any) -> Iterator[Problem]:
    if is_dynamic(value, dollar_names=where.flow.dollar_names):
        return
    if not fits(value, parameter.types):
        yield Problem(
            code=ProblemCode.WRONG_TYPE,
            message=f"`{parameter.name}` of {where.what} is {kind_of(value)}",
            position=where.at(parameter.name),
            state=where.name,
            expected=" or ".join(TYPE_NAMES[type_] for type_ in parameter.types),
            suggestion=_unquoted(value),
        )
    elif parameter.enum and fold(str(value)) not in {fold(str(each)) for each in parameter.enum}:
        yield Problem(
            code=ProblemCode.NOT_A_CHOICE,
            message=f"`{parameter.name}` of {where.what} cannot be {value!r}",
            position=where.at(parameter.name),
            state=where.name,
            expected=", ".join(str(each) for each in parameter.enum),
            suggestion=did_you_mean(str(value), [str(each) for each in parameter.enum]),
        )
    else:
        yield from _check_range(where, parameter, value)


def _check_range(where: StatePlaces, parameter: Parameter, value: Any) -> Iterator[Problem]:
    if isinstance(value, bool | list | dict) or not NUMBER_TEXT.fullmatch(str(value)):
        return
    number = float(value)
    low, high = parameter.minimum, parameter.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        bounds = [f"at least {low:g}"] if low is not None else []
        bounds += [f"at most {high:g}"] if high is not None else []
        yield Problem(
            code=ProblemCode.OUT_OF_RANGE,
            message=f"`{parameter.name}` of {where.what} is {value}",
            position=where.at(parameter.name),
            state=where.name,
            expected=" and ".join(bounds),
        )


def _unquoted(value: Any) -> str | None:
    """`chat_id: {name}` is a mapping for YAML."""
    if isinstance(value, dict) and len(value) == 1:
        key, inner = next(iter(value.items()))
        if inner is None and isinstance(key, str):
            return f'a placeholder stands in quotes: "{{{key}}}"'
    return None


def unknown_ones(
    where: StatePlaces, given: Mapping[str, Any], parameters: Mapping[str, Parameter]
) -> Iterator[Problem]:
    """Keys that nobody reads."""
    for name in given:
        if name not in parameters:
            spellings = {spelling for each in parameters.values() for spelling in (each.name, *each.aliases)}
            yield Problem(
                code=ProblemCode.UNKNOWN_PARAMETER,
                message=f"{where.what} has no use for `{name}`",
                severity=Severity.WARNING,
                position=where.at(name),
                state=where.name,
                expected=", ".join(parameters) or "no parameter",
                suggestion=did_you_mean(name, spellings | (STEERING_KEYS if where.state else set())),
            )


def own_faults(where: StatePlaces, given: Mapping[str, Any], kind: StateType | SourceType) -> Iterator[Problem]:
    """What the function itself says. It is shown only what the manifest finds right and no placeholder can change."""
    if kind.load_examine is None:
        return
    known: dict[str, Any] = {}
    unknown: set[str] = set()
    for name, value in given.items():
        parameter = kind.parameters.get(name)
        if parameter is None:
            continue
        is_literal = parameter.syntax is Syntax.LITERAL
        is_known = is_literal or not _holds_placeholder(value, dollar_names=where.flow.dollar_names)
        if is_known and (value is None or fits(value, parameter.types)):
            known[name] = value
        else:
            unknown.add(name)
    for fault in kind.load_examine()(known, unknown):
        yield Problem(
            code=ProblemCode.WRONG_VALUE,
            message=fault.message,
            severity=Severity.ERROR if fault.certain else Severity.WARNING,
            position=where.along(fault.path),
            state=where.name,
            suggestion=fault.suggestion,
        )


def _holds_placeholder(value: Any, *, dollar_names: bool) -> bool:
    if isinstance(value, dict):
        return any(_holds_placeholder(each, dollar_names=dollar_names) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return any(_holds_placeholder(each, dollar_names=dollar_names) for each in value)
    return is_dynamic(value, dollar_names=dollar_names)


def _misspelled_common(flow: Flow, state: State) -> Iterator[Problem]:
    """Where any parameter is accepted, `transtion` would go unseen."""
    for name in state.parameters:
        near = did_you_mean(name, STEERING_KEYS, likeness=0.85)
        if near is not None and name not in COMMON_KEYS:
            yield Problem(
                code=ProblemCode.UNKNOWN_PARAMETER,
                message=f"'{state.name}' has `{name}`",
                severity=Severity.WARNING,
                position=place(flow, state, name),
                state=state.name,
                suggestion=near,
            )


def _unknown_type(flow: Flow, state: State, catalogue: Catalogue) -> Problem:
    return Problem(
        code=ProblemCode.UNKNOWN_STATE_TYPE,
        message=f"no state type is called '{state.type}'",
        position=place(flow, state, "state_type"),
        state=state.name,
        expected="an installed state type",
        suggestion=did_you_mean(state.type, _spellings(catalogue)) or "install the plugin that brings it",
    )


def _spellings(catalogue: Catalogue) -> list[str]:
    kinds = [*CONTROL.values(), *catalogue.states.values()]
    return [spelling for kind in kinds for spelling in (*kind.aliases, kind.type)]


def _not_installed(flow: Flow, state: State, kind: StateType) -> Problem:
    return Problem(
        code=ProblemCode.NOT_INSTALLED,
        message=f"'{kind.type}' is published, but not part of this installation",
        severity=Severity.WARNING,
        position=place(flow, state, "state_type"),
        state=state.name,
        expected="an installed state type",
        suggestion=f"install the plugin '{kind.type.replace('_', '-')}' before running the flow",
    )
