"""Facts of the flow language as table rows: a flow, what it is given, and what must come of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.catalogue.load import combine
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import Logged
from intellyhub_engine.language.compile import compile_flow
from intellyhub_engine.language.load import examine, load_flow
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.machine.run import start
from intellyhub_engine.machine.step import Step
from intellyhub_engine.machine.testing import path_of

__all__ = ["Fact", "codes_of", "facts", "run"]

STARTED_NS = 1_763_715_600_000_000_000
"""2025-11-21T09:00:00Z: when a run with a fixed clock begins."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One row. What is not given is not looked at; `variables` may be a part of those of the run."""

    name: str
    """The section of the language's description, and the fact."""
    flow: str
    data: Any = None
    """The event's data; None takes the sample of the flow's listener."""
    outer: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    """Variables of the caller."""
    answers: Mapping[str, Any] = field(default_factory=dict)
    """What state types answer here, whatever they do elsewhere."""
    path: str | None = None
    status: str = "succeeded"
    error: str = ""
    """Part of the run's error."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    log: tuple[str, ...] | None = None
    """Every line, in order."""
    logged: str = ""
    """Part of a line."""
    files: Mapping[str, str] = field(default_factory=dict)
    codes: str | None = None
    """The problems the flow's text has, blank-separated."""

    def differences(self, workspace: Path) -> dict[str, Any]:
        """Run the flow; what came out otherwise than the row says."""
        result = run(self, workspace)
        lines = tuple(entry.message for entry in result.entries if isinstance(entry, Logged))
        seen: dict[str, Any] = {
            "status": str(result.status),
            "path": " ".join(path_of(result)),
            "variables": {name: result.variables.get(name, "(absent)") for name in self.variables},
            "log": lines,
            "files": {name: (workspace / name).read_text() for name in self.files},
            "codes": " ".join(codes_of(self.flow)),
        }
        found = {key: value for key, value in seen.items() if getattr(self, key) not in (None, value)}
        if self.error not in (result.error or "") or (result.error and "status" in found):
            found["error"] = result.error
        if self.logged and not any(self.logged in line for line in lines):
            found["logged"] = lines
        return found


def facts(*rows: Fact) -> pytest.MarkDecorator:
    """One test per row, called by its name."""
    return pytest.mark.parametrize("fact", rows, ids=[row.name for row in rows])


def codes_of(flow: str | bytes) -> list[str]:
    """Every problem of a text, in order."""
    text = dedent(flow) if isinstance(flow, str) else flow
    return [str(problem.code) for problem in examine(text, installed())[1]]


def run(fact: Fact, workspace: Path, *, now_ns: Callable[[], int] = time.time_ns) -> RunResult:
    """Run the row's flow with real functions, in an empty folder."""
    catalogue = _answering(fact.answers)
    flow, _ = load_flow(dedent(fact.flow), catalogue, "flow")
    source = catalogue.sources[flow.listener.type] if flow.listener else None
    data = source.sample if source and fact.data is None else fact.data
    event = None
    if source or data is not None:
        event = Event(id="e1", source="/test", type=source.event_type if source else "test.event", data=data)
    host = Host(now_ns=now_ns, catalogue=catalogue, outer=dict(fact.outer), workspace=workspace)
    return start(compile_flow(flow, catalogue), host, event=event, variables=fact.given)


def _answering(answers: Mapping[str, Any]) -> Catalogue:
    known = installed()
    states = {}
    for name, answer in answers.items():
        kind = known.states[name]
        states[name] = replace(kind, installed=True, load=partial(_make_function, answer))
    return combine(Catalogue(states=states), known) if states else known


def _make_function(answer: Any) -> Any:
    def perform(parameters: Mapping[str, Any], step: Step) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer(parameters) if callable(answer) else answer

    return perform
