"""`python -m intellyhub_knative.builds.flow_tests`: a flow's tests in a process of their own, which can be ended.

Standard input is a JSON object `{text, called, tests, plugins, mocks_plugins}`; standard output one
`{passed, failed: [{name, differences}], fault}`. Nothing of the parent's environment is needed.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from intellyhub_engine.catalogue.manifest import Catalogue, StateType
from intellyhub_engine.errors import EngineError, InputInvalid
from intellyhub_engine.language.compile import compile_flow
from intellyhub_engine.language.load import load_flow
from intellyhub_engine.language.model import FlowTest
from intellyhub_engine.language.parsing.findings import Findings
from intellyhub_engine.language.parsing.flowtests import read_tests
from intellyhub_engine.language.program import Program
from intellyhub_engine.language.reading.text import read
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.testing import run_test
from intellyhub_functions.plugins.plugin import InstalledPlugin
from intellyhub_functions.plugins.tables import make_catalogue, provider_of

__all__ = ["main", "run_tests"]

MOST_MEMORY_BYTES = 2 << 30


class Closed(Mapping[str, StateType]):
    """State types of which those of plugins are not performed: a test has to mock them."""

    def __init__(self, states: Mapping[str, StateType]) -> None:
        self._states = states

    def __getitem__(self, name: str) -> StateType:
        found = self._states[name]
        return found if provider_of(found) is None else replace(found, effect=True)

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)


def run_tests(order: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome of every test. Raises `EngineError` for a text or tests that cannot be read."""
    catalogue = make_catalogue([InstalledPlugin(**row) for row in order["plugins"]])
    if order["mocks_plugins"]:
        catalogue = replace(catalogue, states=Closed(catalogue.states))
    flow, _ = load_flow(order["text"].encode(), catalogue, order["name"])
    program = compile_flow(flow, catalogue)
    host = Host(
        now_ns=time.time_ns,
        catalogue=catalogue,
        workspace=Path.cwd(),
        find_flow=make_finder(order["called"], catalogue),
    )
    failed, passed = [], 0
    for test in (*flow.tests, *read_beside(order["tests"])):
        report = run_test(program, host, test)
        passed += report.passed
        if report.differences:
            failed.append({"name": test.name, "differences": list(report.differences), "path": list(report.path)})
    return {"passed": passed, "failed": failed, "fault": None}


def read_beside(text: str | None) -> tuple[FlowTest, ...]:
    """The tests of a file beside the flow. Raises `EngineError`."""
    if text is None:
        return ()
    document = read(text.encode())
    root = {"tests": document.root} if isinstance(document.root, list) else document.root
    if not isinstance(root, dict) or "tests" not in root:
        raise InputInvalid("a file of tests is a list of tests, or has `tests:`")
    findings = Findings(document)
    tests = read_tests(root, findings)
    if findings.problems:
        raise InputInvalid("; ".join(str(problem.message) for problem in findings.problems))
    return tests


def make_finder(called: Mapping[str, str], catalogue: Catalogue) -> Any:
    """What finds flows that are called, by name."""
    programs: dict[str, Program] = {}

    def find(name: str) -> Program | None:
        plain = name.removesuffix(".yaml")
        if plain not in programs and plain in called:
            flow, _ = load_flow(called[plain].encode(), catalogue, plain)
            programs[plain] = compile_flow(flow, catalogue)
        return programs.get(plain)

    return find


def main() -> int:
    """0: the tests were run, whatever came of them."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    order = json.load(sys.stdin)
    try:
        outcome = run_tests(order)
    except EngineError as fault:
        outcome = {"passed": 0, "failed": [], "fault": str(fault)}
    json.dump(outcome, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
