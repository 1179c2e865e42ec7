"""Lists: a table on a terminal, tab-separated lines in a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from intellyhub_engine.cli.terminal import Terminal, printable

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Cell", "Column", "make_table", "show_list"]


class Column(NamedTuple):
    """A column: its title; figures stand on the right."""

    title: str
    figures: bool = False


class Cell(NamedTuple):
    """What a program reads, what a person sees, and how it looks."""

    plain: str
    shown: str | None = None
    style: str = ""


def show_list(terminal: Terminal, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, empty: str) -> None:
    """All rows; on a terminal `empty` where there are none."""
    if not terminal.interactive:
        for row in rows:
            terminal.show("\t".join(" ".join(cell.plain.split()) for cell in row))
    elif rows:
        terminal.console.print(make_table(columns, rows))
    else:
        terminal.show(empty)


def make_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Table:
    """The rows for the eye."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.title, justify="right" if column.figures else "left", overflow="fold")
    for row in rows:
        table.add_row(
            *(Text(printable(cell.plain if cell.shown is None else cell.shown), style=cell.style) for cell in row)
        )
    return table
