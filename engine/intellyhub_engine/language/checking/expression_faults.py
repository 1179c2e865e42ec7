"""Conditions, templates, shell scripts and Python that do not compile, each with the place of the very character."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import Catalogue, Parameter, Syntax
from intellyhub_engine.errors import ExpressionInvalid
from intellyhub_engine.language.checking.soundness import is_sound
from intellyhub_engine.language.compile import INVALID, compile_value
from intellyhub_engine.language.model import Flow
from intellyhub_engine.language.parsing.listeners import LISTENER_PLACE
from intellyhub_engine.language.parsing.places import Places
from intellyhub_engine.language.problems import Position, Problem
from intellyhub_engine.language.spelling import find_source_type, find_state_type

__all__ = ["find_expression_faults"]

EXPECTED = {
    Syntax.CONDITION: "an expression, such as {count} > 3 or event.title contains any {keywords}",
    Syntax.TEMPLATE: "text with placeholders such as {name}",
    Syntax.CODE: "Python",
    Syntax.SHELL: "a shell script",
}


def find_expression_faults(flow: Flow, catalogue: Catalogue) -> Iterator[Problem]:
    """Make sure of every text that will be evaluated, and tell which cannot be."""
    for state in flow.states.values():
        kind = find_state_type(state.type, catalogue)
        found = Texts(flow, state.name, state.position)
        yield from found.faults_of(state.parameters, kind.parameters if kind else {})
        if state.log is not None:
            yield from found.faults_in("log", state.log.message, Syntax.TEMPLATE)
    yield from Texts(flow, None, flow.places.top("variables") if flow.places else None).faults_of(flow.variables, {})
    if flow.listener is not None:
        source = find_source_type(flow.listener.type, catalogue)
        found = Texts(flow, LISTENER_PLACE, flow.listener.position)
        yield from found.faults_of(flow.listener.parameters, source.parameters if source else {})


class Texts:
    """The texts of one state, of the listener or of the variables."""

    def __init__(self, flow: Flow, owner: str | None, begins: Position | None) -> None:
        self.places: Places | None = flow.places
        self.dollar_names = flow.dollar_names
        self.owner = owner
        self.begins = begins
        self.state = owner if owner in flow.states else None

    def faults_of(self, values: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> Iterator[Problem]:
        for name, value in values.items():
            parameter = parameters.get(name)
            yield from self.faults_in(name, value, parameter.syntax if parameter else Syntax.TEMPLATE)

    def faults_in(self, name: str, value: Any, syntax: Syntax) -> Iterator[Problem]:
        """Of a nested value every text is looked at by itself, so that its fault has its place."""
        for container, key, text in texts_in(None, name, value):
            if is_sound(text, syntax, dollar_names=self.dollar_names):
                continue
            try:
                compile_value(text, syntax, dollar_names=self.dollar_names)
            except ExpressionInvalid as fault:
                yield self._problem(name, syntax, fault, self._place(name, container, key, fault.offset))

    def _place(self, name: str, container: Any, key: Any, offset: int) -> Position | None:
        if self.places is None:
            return self.begins
        if container is not None:
            return self.places.inside(container, key, offset=offset) or self.begins
        if self.owner is None:
            return self.places.variable(name, offset=offset) or self.begins
        return self.places.of(self.owner, name, offset=offset) or self.begins

    def _problem(self, name: str, syntax: Syntax, fault: ExpressionInvalid, at: Position | None) -> Problem:
        owner = f" of '{self.state}'" if self.state else " of the listener" if self.owner else ""
        return Problem(
            code=INVALID[syntax],
            message=f"`{name}`{owner}: {fault.message}",
            position=at,
            state=self.state,
            expected=EXPECTED[syntax],
            suggestion=fault.suggestion,
        )


def texts_in(container: Any, key: Any, value: Any) -> Iterator[tuple[Any, Any, str]]:
    """Every text of a value, with the mapping or list that holds it."""
    if isinstance(value, str):
        yield container, key, value
    elif isinstance(value, dict):
        for inner, item in value.items():
            yield from texts_in(value, inner, item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts_in(value, index, item)
