"""A flow's text examined: its problems, its machine, what the platform must know of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from intellyhub_control_plane.shapes.flows import FlowProblem, Graph, GraphEdge, GraphNode, Listener
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.diagram import edges_of
from intellyhub_engine.language.load import examine
from intellyhub_engine.language.model import END, Flow
from intellyhub_engine.language.problems import Position, Problem, ProblemCode, Severity
from intellyhub_engine.language.spelling import did_you_mean
from intellyhub_functions.plugins.plugin import InstalledPlugin
from intellyhub_functions.plugins.tables import make_catalogue, used_by
from intellyhub_knative.builds.order import python_requirements

__all__ = ["Examined", "Missing", "catalogue_of", "examine_text", "make_graph"]

CALL = "call"
UNKNOWN_FLOW = "unknown-flow"
NAME = re.compile(r"[\w.-]+")
WORD = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'|[^\s:,\[\]{}#]+""")
"""What an editor underlines from a fault's place on: a quoted text or a word."""


class Missing(NamedTuple):
    """A type that a flow names and nobody brings."""

    type: str
    is_listener: bool
    place: int
    """Of the problem that says so, among all."""


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A text, and all there is to say about it."""

    problems: tuple[FlowProblem, ...]
    graph: Graph | None
    listener: dict[str, Any] | None
    """As the author wrote it, with `type`; JSON values only."""
    variables: dict[str, Any]
    calls: tuple[FlowProblem, ...] = ()
    """A warning for each `call` of a flow by name, for whoever knows that there is no such flow; `message` is that
    flow's name."""
    uses: tuple[InstalledPlugin, ...] = ()
    """The plugins that bring its states or its listener."""
    requirements: tuple[tuple[str, ...], ...] = ()
    """What its `python` states require, each."""
    dependencies: tuple[str, ...] = ()
    """The plugins that it names itself, as `name>=version`."""
    missing: tuple[Missing, ...] = ()
    """What nobody here brings: for whoever knows where there are plugins."""

    @property
    def is_valid(self) -> bool:
        """Whether it may be published."""
        return not any(problem.severity is Severity.ERROR for problem in self.problems)

    def with_missing(self, slugs: Collection[str]) -> Examined:
        """With a warning for each call of a flow that is none of these."""
        missing = [
            call.model_copy(
                update={
                    "message": f"no flow of yours is called {call.message!r} yet",
                    "suggestion": did_you_mean(call.message, slugs),
                }
            )
            for call in self.calls
            if call.message not in slugs
        ]
        return replace(self, problems=(*self.problems, *missing)) if missing else self

    def with_problems(self, problems: Iterable[FlowProblem]) -> Examined:
        """With these too."""
        more = tuple(problems)
        return replace(self, problems=(*self.problems, *more)) if more else self

    def with_suggestions(self, suggest: Callable[[Missing], str | None]) -> Examined:
        """With what to install where something is missing."""
        better = list(self.problems)
        for each in self.missing:
            suggestion = suggest(each)
            if suggestion is not None:
                better[each.place] = better[each.place].model_copy(update={"suggestion": suggestion})
        return replace(self, problems=tuple(better)) if self.missing else self

    @property
    def shown_listener(self) -> Listener | None:
        """The listener as the API shows it."""
        return show_listener(self.listener)


@lru_cache(maxsize=256)
def examine_text(text: str, name: str, plugins: tuple[InstalledPlugin, ...] = ()) -> Examined:
    """Read, check and draw a flow's text, which may use these plugins. It is never run. The same text gives the same,
    which is not to be changed."""
    flow, problems = examine(text, catalogue_of(plugins), name=name)
    lines = text.splitlines()
    found = [make_problem(problem, lines) for problem in problems]
    if flow is None:
        return Examined(problems=tuple(found), graph=None, listener=None, variables={})
    listener = None
    if flow.listener is not None:
        listener = {**to_json(flow.listener.parameters), "type": flow.listener.type}
    return Examined(
        problems=tuple(found),
        graph=make_graph(flow),
        listener=listener,
        variables=to_json(flow.variables),
        calls=tuple(find_calls(flow, lines)),
        uses=used_by(flow, plugins) if plugins else (),
        requirements=tuple(dict.fromkeys(python_requirements(flow))),
        dependencies=flow.dependencies,
        missing=tuple(find_missing(flow, problems)),
    )


@lru_cache(maxsize=64)
def catalogue_of(plugins: tuple[InstalledPlugin, ...]) -> Catalogue:
    """What a flow can name that has these plugins. What lies in their folders never changes."""
    return make_catalogue(plugins)


def find_missing(flow: Flow, problems: Sequence[Problem]) -> Iterator[Missing]:
    """The types that are not known, or known by name only."""
    for place, problem in enumerate(problems):
        if problem.code is ProblemCode.UNKNOWN_LISTENER_TYPE and flow.listener is not None:
            yield Missing(flow.listener.type, True, place)
        elif problem.code in (ProblemCode.UNKNOWN_STATE_TYPE, ProblemCode.NOT_INSTALLED):
            state = flow.states.get(problem.state or "")
            if state is not None:
                yield Missing(state.type, False, place)
            elif flow.listener is not None:
                yield Missing(flow.listener.type, True, place)


def find_calls(flow: Flow, lines: Sequence[str]) -> Iterator[FlowProblem]:
    """The flows that are called by name: no placeholder, no path."""
    for state in flow.states.values():
        wanted = state.parameters.get("flow") if state.type == CALL else None
        if isinstance(wanted, str) and NAME.fullmatch(wanted):
            position = flow.places.of(state.name, "flow") if flow.places else None
            place = place_of(position, lines) | {"state": state.name}
            name = wanted.removesuffix(".yaml").removesuffix(".yml")
            yield FlowProblem(code=UNKNOWN_FLOW, severity=Severity.WARNING, message=name, **place)


def to_json(value: Any) -> Any:
    """As JSON gives it back: what YAML knows beyond JSON becomes text or null."""
    return orjson.loads(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))


def show_listener(listener: dict[str, Any] | None) -> Listener | None:
    """A stored listener as the API shows it."""
    if listener is None:
        return None
    return Listener(type=listener["type"], parameters={k: v for k, v in listener.items() if k != "type"})


def make_problem(problem: Problem, lines: Sequence[str]) -> FlowProblem:
    """A problem with the place where it ends, for an editor to underline."""
    expected = f" (expected {problem.expected})" if problem.expected else ""
    return FlowProblem(
        code=problem.code,
        severity=problem.severity,
        message=problem.message + expected,
        **{**place_of(problem.position, lines), "suggestion": problem.suggestion, "state": problem.state},
    )


def place_of(position: Position | None, lines: Sequence[str]) -> dict[str, Any]:
    """From where to where a fault stands; it ends with the word that begins there."""
    nowhere: dict[str, Any] = dict.fromkeys(
        ("line", "column", "end_line", "end_column", "suggestion", "state"),
    )
    if position is None:
        return nowhere
    line = lines[position.line - 1] if 0 < position.line <= len(lines) else ""
    word = WORD.match(line, position.column - 1)
    end = word.end() + 1 if word else max(position.column + 1, len(line) + 1)
    return nowhere | {"line": position.line, "column": position.column, "end_line": position.line, "end_column": end}


def make_graph(flow: Flow) -> Graph:
    """States and transitions. A target that has no state of its own is a node too: where a run ends."""
    nodes = {
        name: GraphNode(id=name, type=state.type, start=name == flow.start, end=state.type == "end")
        for name, state in flow.states.items()
    }
    edges = []
    for state in flow.states.values():
        for label, target in edges_of(flow, state):
            if target not in nodes:
                is_end = target == END
                nodes[target] = GraphNode(id=target, type="end" if is_end else "unknown", start=False, end=is_end)
            kind, _, detail = label.partition(":")
            edges.append(GraphEdge(source=state.name, target=target, kind=kind, label=detail))
    return Graph(nodes=list(nodes.values()), edges=edges)
