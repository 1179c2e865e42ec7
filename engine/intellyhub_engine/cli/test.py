"""`intellyhub test`: the tests in flows and beside them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from intellyhub_engine.cli.diagnostics import FlowRefused
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.progress import duration_text
from intellyhub_engine.cli.session import Session, debug_option, pass_session
from intellyhub_engine.errors import FlowInvalid, InputInvalid
from intellyhub_engine.language.problems import Position

if TYPE_CHECKING:
    from intellyhub_engine.catalogue.manifest import Catalogue
    from intellyhub_engine.cli.programs import LoadedFlow
    from intellyhub_engine.language.model import FlowTest

__all__ = ["Outcome", "command", "find_tests", "sidecar_of"]


class Outcome(NamedTuple):
    """One test: where it stands, how it is called, what differed."""

    path: str
    position: Position | None
    name: str
    differences: Sequence[str]
    steps: Sequence[str]


@click.command("test")
@click.argument("flows", metavar="FLOW...", nargs=-1, required=True, type=click.Path(readable=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: {passed, failed, tests[]}.")
@click.option("--match", "-k", metavar="TEXT", default="", help="Only tests whose name holds TEXT.")
@debug_option
@pass_session
def command(session: Session, flows: tuple[str, ...], as_json: bool, match: str) -> int:
    """Run the tests of FLOW files: their `tests:` blocks, and FLOW.test.yaml beside each.

    A test gives an event, mocked states and what must come out. No state touches the world.
    Exits 1 when a test fails, 2 when a flow is invalid.

    \b
    Examples:
      intellyhub test flow.yaml
      intellyhub test flows/*.yaml -k refund
    """
    from intellyhub_engine.catalogue.installed import installed_beside

    began = time.monotonic_ns()
    outcomes: list[Outcome] = []
    for path in flows:
        for outcome in run_tests(path, installed_beside(path), match):
            outcomes.append(outcome)
            if not as_json:
                show_outcome(session, outcome)
    failed = [outcome for outcome in outcomes if outcome.differences]
    if as_json:
        show_json(session, outcomes, len(failed))
    else:
        show_summary(session, outcomes, failed, time.monotonic_ns() - began)
    return Exit.FAILED if failed else Exit.SUCCEEDED


def run_tests(path: str, catalogue: Catalogue, match: str) -> list[Outcome]:
    """Run the tests of one flow."""
    from intellyhub_engine.cli.archive import Archive
    from intellyhub_engine.cli.programs import load_file, make_finder
    from intellyhub_engine.language.compile import compile_flow
    from intellyhub_engine.machine.host import Host
    from intellyhub_engine.machine.testing import run_test

    loaded = load_file(path, catalogue)
    program = compile_flow(loaded.flow, catalogue)
    host = Host(
        now_ns=time.time_ns,
        catalogue=catalogue,
        workspace=Path.cwd(),
        find_flow=make_finder(path, catalogue, Archive(None)),
    )
    outcomes = []
    for place, test in find_tests(loaded):
        if match in test.name:
            report = run_test(program, host, test)
            outcomes.append(Outcome(place, test.position, test.name, report.differences, report.path))
    return outcomes


def find_tests(loaded: LoadedFlow) -> list[tuple[str, FlowTest]]:
    """The tests in the flow and those of the file beside it, each with the file it stands in."""
    tests = [(loaded.path, test) for test in loaded.flow.tests]
    beside = sidecar_of(loaded.path)
    if beside is None:
        return tests
    return [*tests, *((str(beside), test) for test in read_sidecar(beside))]


def sidecar_of(path: str) -> Path | None:
    """`news.test.yaml` beside `news.yaml`, where there is one."""
    beside = Path(path).with_suffix(".test.yaml")
    return beside if beside.is_file() else None


def read_sidecar(path: Path) -> Sequence[FlowTest]:
    """Read a file of tests: a list, or a mapping with `tests`. Raises FlowRefused with every fault."""
    from intellyhub_engine.cli.inputs import read_bytes
    from intellyhub_engine.cli.programs import MAX_FLOW_BYTES
    from intellyhub_engine.language.parsing.findings import Findings
    from intellyhub_engine.language.parsing.flowtests import read_tests
    from intellyhub_engine.language.reading.text import read

    content = read_bytes(str(path), what="test", max_bytes=MAX_FLOW_BYTES)
    shown = content.decode("utf-8", "replace")
    try:
        document = read(content)
    except FlowInvalid as fault:
        raise FlowRefused(str(path), shown, fault.problems) from fault
    root = {"tests": document.root} if isinstance(document.root, list) else document.root
    if not isinstance(root, dict) or "tests" not in root:
        raise InputInvalid(f"{path}: a file of tests is a list of tests, or has `tests:`")
    findings = Findings(document)
    tests = read_tests(root, findings)
    if findings.problems:
        raise FlowRefused(str(path), shown, findings.problems)
    return tests


def show_outcome(session: Session, outcome: Outcome) -> None:
    """One line for a test that passed; what differed below one that failed."""
    terminal = session.terminal
    place = f"{outcome.path}:{outcome.position.line}" if outcome.position else outcome.path
    sign = ("FAILED", "bold red") if outcome.differences else ("passed", "green")
    terminal.show(sign, f"  {place}  ", outcome.name)
    for difference in outcome.differences:
        terminal.show(("        ", ""), difference)
    if outcome.differences and outcome.steps:
        terminal.show((f"        path: {' -> '.join(outcome.steps)}", "dim"))


def show_summary(session: Session, outcomes: Sequence[Outcome], failed: Sequence[Outcome], took_ns: int) -> None:
    if not outcomes:
        session.terminal.tell("no such test: write one under `tests:` in the flow, or in FLOW.test.yaml beside it")
    passed = len(outcomes) - len(failed)
    parts = [f"{len(failed)} failed"] * bool(failed) + [f"{passed} passed"] * bool(passed or not failed)
    took = f" in {duration_text(took_ns)}" if session.terminal.interactive else ""
    session.terminal.show((", ".join(parts) + took, "bold red" if failed else "bold green"))


def show_json(session: Session, outcomes: Sequence[Outcome], failed: int) -> None:
    rows: list[Mapping[str, object]] = [
        {
            "file": outcome.path,
            "line": outcome.position.line if outcome.position else None,
            "name": outcome.name,
            "passed": not outcome.differences,
            "differences": list(outcome.differences),
            "path": list(outcome.steps),
        }
        for outcome in outcomes
    ]
    answer = {"passed": len(outcomes) - failed, "failed": failed, "tests": rows}
    session.terminal.emit_json(answer)
