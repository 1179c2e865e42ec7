"""Problems of a flow text as lines for a person: where, what, and what to write instead."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from intellyhub_engine.cli.terminal import Fragment
from intellyhub_engine.errors import FlowInvalid
from intellyhub_engine.language.problems import Position, Problem, Severity

__all__ = ["FlowRefused", "count_problems", "make_problem_object", "problem_lines"]

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow"}
WIDEST_EXCERPT = 100

Line = tuple[Fragment, ...]


class FlowRefused(FlowInvalid):
    """A flow file cannot run; carries its path and text, so that the places can be shown."""

    def __init__(self, path: str, text: str, problems: Sequence[Problem]) -> None:
        self.path = path
        self.text = text
        super().__init__(problems)


def problem_lines(path: str, text: str, problem: Problem, *, excerpt: bool) -> Iterator[Line]:
    """`file:line:column: severity: message (remedy) [code]`; with `excerpt` the source and the remedies stand below."""
    place = f"{path}:{problem.position.line}:{problem.position.column}: " if problem.position else f"{path}: "
    remedy = "" if excerpt else "".join(f" ({remark})" for remark in remedies(problem)[:1])
    yield (
        (place, "bold"),
        (f"{problem.severity.value}: ", STYLES[problem.severity]),
        f"{problem.message}{remedy} ",
        (f"[{problem.code}]", "dim"),
    )
    if excerpt:
        if problem.position:
            yield from excerpt_lines(text, problem.position)
        for remark in remedies(problem):
            yield ("      ", ("= ", "dim"), (remark, "cyan"))


def remedies(problem: Problem) -> list[str]:
    """What to do about it, the most useful first."""
    expected = f"expected {problem.expected}" if problem.expected else None
    return [remark for remark in (problem.suggestion, expected) if remark]


def excerpt_lines(text: str, position: Position) -> Iterator[Line]:
    """The line at fault with a caret below the column; long lines are cut around it."""
    lines = text.splitlines()
    if not 0 < position.line <= len(lines):
        return
    line = lines[position.line - 1].expandtabs(1)
    start = max(0, position.column - 1 - WIDEST_EXCERPT // 2) if len(line) > WIDEST_EXCERPT else 0
    shown = line[start : start + WIDEST_EXCERPT]
    before = line[start : position.column - 1]
    yield ((f"{position.line:>5} | ", "dim"), shown)
    yield (("      | ", "dim"), " " * width_of(before), ("^", "bold red"))


def width_of(text: str) -> int:
    """How many cells of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def count_problems(problems: Sequence[Problem]) -> str:
    """`2 errors, 1 warning`."""
    counts = [
        (sum(problem.severity is severity for problem in problems), severity.value)
        for severity in (Severity.ERROR, Severity.WARNING)
    ]
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count) or "no problems"


def make_problem_object(path: str, problem: Problem) -> dict[str, Any]:
    """A problem as `check --json` prints it."""
    return {
        "file": path,
        "line": problem.position.line if problem.position else None,
        "column": problem.position.column if problem.position else None,
        "severity": problem.severity.value,
        "code": str(problem.code),
        "message": problem.message,
        "state": problem.state,
        "expected": problem.expected,
        "suggestion": problem.suggestion,
    }
