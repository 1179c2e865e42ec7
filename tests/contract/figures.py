"""What a run of the suite tells a person: each promise, whether it was kept, how long it took; what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from intellyhub_engine.frozen import dataclass

__all__ = ["Figure", "Outcome", "make_report", "sentence_of"]

MARKS = {"passed": "kept", "failed": "BROKEN", "skipped": "not tried"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One promise."""

    name: str
    outcome: str
    """passed, failed or skipped, as pytest says."""
    seconds: float
    why: str = ""
    """Of one that was not kept or not tried."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Something measured."""

    name: str
    value: str


def sentence_of(test: str) -> str:
    """A test's name as a sentence: `test_a_b[c]` is `A b (c)`."""
    name, bracket, case = test.removeprefix("test_").partition("[")
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:] + (f" ({case.rstrip(']')})" if bracket else "")


def make_report(place: str, outcomes: Iterable[Outcome], figures: Iterable[Figure]) -> str:
    """The report, in Markdown."""
    told = list(outcomes)
    counted = ", ".join(f"{count(told)[name]} {MARKS[name]}" for name in MARKS)
    lines = [f"# The contract, on {place}", "", f"{counted}.", "", "| promise | | seconds |", "|---|---|---|"]
    for each in told:
        why = f": {one_line(each.why)}" if each.why else ""
        lines.append(f"| {sentence_of(each.name)} | {MARKS[each.outcome]}{why} | {each.seconds:.1f} |")
    measured = [f"| {each.name} | {each.value} |" for each in figures]
    if measured:
        lines += ["", "| measured | |", "|---|---|", *measured]
    return "\n".join(lines) + "\n"


def count(outcomes: Iterable[Outcome]) -> Mapping[str, int]:
    counts = dict.fromkeys(MARKS, 0)
    for each in outcomes:
        counts[each.outcome] += 1
    return counts


def one_line(text: str) -> str:
    """Short enough for a cell of a table."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|")[:300]
