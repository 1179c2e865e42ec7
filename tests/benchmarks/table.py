"""The results as lines of cells: one line per row and peer; drawn on a terminal here, in Markdown by `page`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from tests.benchmarks.row import Budget, Figure, Row, make_ratio

__all__ = ["COLUMNS", "format_figure", "format_number", "make_cells", "make_faults", "make_text", "print_table"]

COLUMNS = ("what", "ours", "peer", "ours : peer", "budget", "held?")


def make_cells(row: Row) -> Iterator[tuple[str, ...]]:
    """The lines of one row: the first names it, each line has one peer and one budget."""
    verdicts = row.verdicts()
    ours = format_figure(row.ours, row.unit)
    peers: Sequence[Figure | None] = row.peers or (None,)
    for number, (peer, budget) in enumerate(zip_longest(peers, row.budgets)):
        yield (
            row.what if number == 0 else "",
            ours if number == 0 else "",
            f"{peer.name}: {format_figure(peer, row.unit)}" if peer else "",
            format_ratio(make_ratio(row.ours, peer)) if peer else "",
            format_budget(budget, row.unit) if budget else "",
            verdicts[number] if budget else "",
        )


def format_figure(figure: Figure, unit: str) -> str:
    """Median with the range of all rounds; `make_faults` says why there is none."""
    if figure.spread is None:
        return "not run"
    spread = figure.spread
    return f"{format_number(spread.median)} {unit} ({format_number(spread.low)}-{format_number(spread.high)})"


def format_number(value: float) -> str:
    """Three significant digits, without an exponent: 0.123, 12.3, 1,230."""
    if value == 0 or abs(value) >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    digits = 2
    while digits < 6 and abs(value) < 10 ** (2 - digits):
        digits += 1
    return f"{value:.{digits if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"


def make_faults(rows: Sequence[Row]) -> list[str]:
    """Why whatever did not run did not, each reason once."""
    figures = [figure for row in rows for figure in (row.ours, *row.peers) if figure.spread is None]
    return list(dict.fromkeys(f"{figure.name}: {figure.fault or 'no samples'}" for figure in figures))


def format_ratio(ratio: float | None) -> str:
    """`0.13 x`, or a dash."""
    return "-" if ratio is None else f"{format_number(ratio)} x"


def format_budget(budget: Budget, unit: str) -> str:
    """`<= 2.5 us`, `<= 1.2 x one fdatasync`."""
    sign = ">=" if budget.at_least else "<="
    return f"{sign} {budget.limit:g} x {budget.peer}" if budget.peer else f"{sign} {budget.limit:g} {unit}"


def make_text(rows: Sequence[Row]) -> str:
    """The table for a pipe or a file: columns filled with blanks."""
    lines = [COLUMNS, *(cells for row in rows for cells in make_cells(row))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    filled = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in filled)


def print_table(rows: Sequence[Row]) -> None:
    """Draw with rich on a terminal, plain otherwise."""
    import rich.console
    import rich.table

    console = rich.console.Console()
    if not console.is_terminal:
        print(make_text(rows))
        return
    table = rich.table.Table(*COLUMNS)
    for row in rows:
        for cells in make_cells(row):
            colour = {"": "", "yes": "green", "not measured": "yellow"}.get(cells[-1], "red")
            table.add_row(*cells[:-1], f"[{colour}]{cells[-1]}[/]" if colour else "")
        table.add_section()
    console.print(table)
