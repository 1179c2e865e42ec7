"""Listeners nobody has, their parameters, and what the source itself says against them before it ever listens."""

from __future__ import annotations

from collections.abc import Iterator

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.language.checking.parameter_faults import (
    StatePlaces,
    faults_of_given,
    own_faults,
    unknown_ones,
)
from intellyhub_engine.language.model import Flow, Listener
from intellyhub_engine.language.parsing.listeners import LISTENER_PLACE, TYPE_KEY
from intellyhub_engine.language.problems import Position, Problem, ProblemCode, Severity
from intellyhub_engine.language.spelling import did_you_mean, find_source_type

__all__ = ["find_listener_faults"]


class ListenerPlaces(StatePlaces):
    """Where the parameters of the listener stand, and what it is called in messages."""

    def __init__(self, flow: Flow, listener: Listener) -> None:
        self.flow = flow
        self.listener = listener
        self.state = None
        self.what = "the listener"
        self.name = None

    def at(self, key: str) -> Position | None:
        return self.along((key,))

    def along(self, path: tuple[str | int, ...]) -> Position | None:
        """Where the way into a parameter's value leads."""
        found = self.flow.places.along(LISTENER_PLACE, path) if self.flow.places and path else None
        return found or self.listener.position

    def begins(self) -> Position | None:
        return self.listener.position


def find_listener_faults(flow: Flow, catalogue: Catalogue) -> Iterator[Problem]:
    """Every fault of the listener."""
    listener = flow.listener
    if listener is None:
        return
    where = ListenerPlaces(flow, listener)
    kind = find_source_type(listener.type, catalogue)
    if kind is None:
        known = sorted(catalogue.sources)
        yield Problem(
            code=ProblemCode.UNKNOWN_LISTENER_TYPE,
            message=f"no listener is called '{listener.type}'",
            position=where.at(TYPE_KEY),
            expected=", ".join(known) or "an installed listener",
            suggestion=did_you_mean(listener.type, known) or "install the plugin that brings it",
        )
        return
    if not kind.installed:
        yield Problem(
            code=ProblemCode.NOT_INSTALLED,
            message=f"the listener '{kind.type}' is published, but not part of this installation",
            severity=Severity.WARNING,
            position=where.begins(),
            suggestion=f"install the plugin '{kind.type}-listener' before deploying the flow",
        )
    yield from faults_of_given(where, listener.parameters, kind.parameters, strict=kind.installed)
    if not kind.open_parameters:
        yield from unknown_ones(where, listener.parameters, kind.parameters)
    yield from own_faults(where, listener.parameters, kind)
