"""`intellyhub check`: every fault of flow texts at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import click

from intellyhub_engine.cli.diagnostics import count_problems, make_problem_object, problem_lines
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.session import Session, debug_option, pass_session
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.language.problems import Problem, ProblemCode, Severity

__all__ = ["Checked", "check_file", "command"]


class Checked(NamedTuple):
    """A file and what is wrong with it."""

    path: str
    text: str
    problems: Sequence[Problem]


@click.command("check")
@click.argument("flows", metavar="FLOW...", nargs=-1, required=True, type=click.Path(readable=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: {ok, errors, warnings, problems[]}.")
@click.option("--strict", is_flag=True, help="Count warnings as errors.")
@debug_option
@pass_session
def command(session: Session, flows: tuple[str, ...], as_json: bool, strict: bool) -> int:
    """Find every fault in FLOW files, each with its line, its column and a remedy. Exits 2 when there are errors.

    \b
    Examples:
      intellyhub check flow.yaml
      intellyhub check flows/*.yaml --strict
      intellyhub check flow.yaml --json | jq '.problems[].message'
    """
    checked = [check_file(path) for path in flows]
    problems = [problem for file in checked for problem in file.problems]
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    if as_json:
        show_json(session, checked, errors, len(problems) - errors)
    else:
        show_text(session, checked, problems)
    return Exit.INVALID if errors or (strict and problems) else Exit.SUCCEEDED


def check_file(path: str) -> Checked:
    """Parse and check one file; a file that cannot be read is a problem like any other."""
    from intellyhub_engine.catalogue.installed import installed_beside
    from intellyhub_engine.cli.inputs import read_bytes
    from intellyhub_engine.cli.programs import MAX_FLOW_BYTES, name_of
    from intellyhub_engine.language.load import examine

    try:
        content = read_bytes(path, what="flow", max_bytes=MAX_FLOW_BYTES)
    except InputInvalid as fault:
        message = str(fault).removeprefix(f"{path}: ")
        return Checked(path, "", [Problem(code=ProblemCode.UNREADABLE_FILE, message=message)])
    _, problems = examine(content, installed_beside(path), name=name_of(path))
    return Checked(path, content.decode("utf-8", "replace"), problems)


def show_text(session: Session, checked: Sequence[Checked], problems: Sequence[Problem]) -> None:
    """One line for each problem (with the source below it on a terminal), then a summary."""
    terminal = session.terminal
    for file in checked:
        for problem in file.problems:
            for line in problem_lines(file.path, file.text, problem, excerpt=terminal.interactive):
                terminal.show(*line)
    files = f"{len(checked)} flow{'' if len(checked) == 1 else 's'}"
    style = "bold red" if any(p.severity is Severity.ERROR for p in problems) else "bold green"
    terminal.show((f"{files} checked: {count_problems(problems)}", style))


def show_json(session: Session, checked: Sequence[Checked], errors: int, warnings: int) -> None:
    rows = [make_problem_object(file.path, problem) for file in checked for problem in file.problems]
    answer = {"ok": not errors, "errors": errors, "warnings": warnings, "problems": rows}
    session.terminal.emit_json(answer)
