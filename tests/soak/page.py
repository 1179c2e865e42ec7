"""docs/reliability.md, written from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.soak.scenarios import Outcome

__all__ = ["make_page"]

HEAD = """\
# Reliability

Written by `make soak`; not edited by hand. Real processes, real HTTP over loopback, real SIGKILL.

Measured on {date} on {machine}, in {minutes:.1f} minutes. {summary}

An event counts as sent when the platform has answered 202; a producer repeats it until then, as it would anywhere.
Every flow leaves a line in a file for each effect, so that what the journal says can be compared with what was done.
"""

TAIL = """
## What the words mean

- **lost**: an event that was acknowledged and made no run.
- **doubled**: a second run for one event.
- **completed step repeated**: a step began again after its success was on record.
- **effect in flight that happened again**: a worker was killed after it had touched the world and before that was on
  record. This cannot be excluded by anyone; it happens to the one effect in flight, which carries its idempotency key.

`make test` tries the same with fewer events and fewer kills: tests/integration/test_soak.py.
"""


def make_page(outcomes: Sequence[Outcome | str], *, date: str, machine: str, minutes: float) -> str:
    """The whole page. A scenario that could not be tried is a sentence."""
    tried = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
    kept = sum(outcome.kept for outcome in tried)
    summary = f"Of {len(tried)} scenarios {kept} kept every promise."
    head = HEAD.format(date=date, machine=machine, minutes=minutes, summary=summary)
    sections = (make_section(one) if isinstance(one, Outcome) else f"\nNot tried: {one}.\n" for one in outcomes)
    return "".join([head, *sections, TAIL])


def make_section(outcome: Outcome) -> str:
    """One scenario as a table."""
    verdict = "Every promise was kept." if outcome.kept else "**A promise was broken.**"
    rows = [f"| {name} | {show(value)} |" for name, value in outcome.figures.items()]
    return "\n".join(["", f"## {outcome.title}", "", verdict, "", "| what | figure |", "|---|---|", *rows, ""])


def show(value: Any) -> str:
    """A figure as text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {count}" for name, count in value.items()) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)
