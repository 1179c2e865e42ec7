"""A flow text, parsed and checked, ready to compile."""

from __future__ import annotations

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import FlowInvalid
from intellyhub_engine.language.checking.check import check
from intellyhub_engine.language.model import Flow
from intellyhub_engine.language.parsing.parse import parse
from intellyhub_engine.language.problems import Problem, Severity

__all__ = ["examine", "load_flow"]


def examine(text: bytes | str, catalogue: Catalogue, *, name: str = "flow") -> tuple[Flow | None, tuple[Problem, ...]]:
    """Everything there is to say about a flow text, in the order of the text; the flow, where there is one."""
    parsed = parse(text, catalogue, name=name)
    found = (*parsed.problems, *(check(parsed.flow, catalogue) if parsed.flow else ()))
    return parsed.flow, tuple(sorted(found, key=_place))


def load_flow(text: bytes | str, catalogue: Catalogue, name: str = "flow") -> tuple[Flow, tuple[Problem, ...]]:
    """The flow and its warnings. Raises FlowInvalid with every problem when one is an error."""
    flow, problems = examine(text, catalogue, name=name)
    if flow is None or any(problem.severity is Severity.ERROR for problem in problems):
        raise FlowInvalid(problems)
    return flow, problems


def _place(problem: Problem) -> tuple[int, int]:
    return (problem.position.line, problem.position.column) if problem.position else (0, 0)
