"""The page docs/benchmarks.md, made from one run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tests.benchmarks.row import Row
from tests.benchmarks.table import COLUMNS, make_cells, make_faults

__all__ = ["make_page"]

HEAD = """\
# Benchmarks

Written by `make bench`; not edited by hand. The budgets are what this project promises itself; a budget that is missed
says by how much.

Measured on {date}, everything in one run of {minutes:.1f} minutes. {summary}
"""

READING = """\
How to read it: a figure is the median of all rounds, with the lowest and the highest in brackets. In each round
everything in one row is measured once, ours and its peers in turn, so that what disturbs the machine disturbs all of
them. "ours : peer" is our median divided by the peer's. The absolute figures say what is possible on this machine; the
ratios are what counts: where the design gives a budget beside a floor, the budget stands here twice, as it is and as
the same multiple of the floor measured beside it. What only computes is measured on the CPU clock. All
processes that serve are held to one core, the one that asks to another; the garbage collector is on, as it is in
production.
"""

REPRODUCE = """\
## How to reproduce

```
make bench
```

It makes its own virtual environment with the peers at the versions above, needs no network beyond installing them, and
ends every process it starts. While developing, single topics and a tenth of the rounds (this page is then left alone):

```
.venv/bin/python -m tests.benchmarks --only transition,guard --quick
```
"""


def make_page(
    rows: Sequence[Row], *, facts: Mapping[str, str], versions: Mapping[str, str], date: str, minutes: float
) -> str:
    """The whole page as Markdown."""
    faults = make_faults(rows)
    parts = [
        HEAD.format(date=date, minutes=minutes, summary=make_summary(rows)),
        "\n".join(make_table(rows)) + "\n",
        "\n".join(["Not run:", "", *(f"- {fault}" for fault in faults)]) + "\n" if faults else "",
        READING,
        "## Machine and versions\n",
        "\n".join(make_list(facts)),
        "\n".join(make_list({"peers": ", ".join(f"{name} {version}" for name, version in versions.items())})) + "\n",
        REPRODUCE,
        "## What was measured\n",
        "\n".join(make_methods(rows)),
    ]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def make_summary(rows: Iterable[Row]) -> str:
    """How many budgets hold."""
    verdicts = [verdict for row in rows for verdict in row.verdicts()]
    held = verdicts.count("yes")
    unmeasured = verdicts.count("not measured")
    missed = len(verdicts) - held - unmeasured
    return f"Of {len(verdicts)} budgets {held} held, {missed} were missed, {unmeasured} could not be measured."


def make_table(rows: Iterable[Row]) -> Iterator[str]:
    """The lines of the table; the verdict on a missed budget in bold."""
    yield make_line(COLUMNS)
    yield make_line(["---"] * len(COLUMNS))
    for row in rows:
        for *cells, held in make_cells(row):
            yield make_line([*cells, f"**{held}**" if held not in {"", "yes"} else held])


def make_line(cells: Iterable[str]) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def make_list(facts: Mapping[str, str]) -> Iterator[str]:
    """One bullet per fact."""
    return (f"- {name}: {value}" for name, value in facts.items())


def make_methods(rows: Iterable[Row]) -> Iterator[str]:
    """One bullet per row that says more than its name does."""
    return (f"- **{row.what}** ({row.unit}): {row.method}" for row in rows if row.method)
