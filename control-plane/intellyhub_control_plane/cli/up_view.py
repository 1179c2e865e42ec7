"""How `intellyhub up` looks: the progress of the start, a panel, then one line for each thing that processes say."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from intellyhub_engine.cli.terminal import Fragment, Terminal
from intellyhub_knative.platform.supervisor.logbook import Level, Line

if TYPE_CHECKING:
    from intellyhub_knative.platform.supervisor.platform import Started
    from intellyhub_knative.platform.supervisor.supervisor import Progress

__all__ = ["UpView"]

STYLES = {Level.DEBUG: "dim", Level.INFO: "", Level.WARNING: "yellow", Level.ERROR: "bold red"}
COLOURS = {
    "platform": "bold",
    "journal": "magenta",
    "activator": "cyan",
    "broker": "blue",
    "sources": "green",
    "control": "yellow",
    "gateway": "bright_blue",
}
LOUD = (Level.WARNING, Level.ERROR)
NAME_WIDTH = 10
ASK_SECONDS = 3.0


class UpView:
    """Writes to standard output: for a person on a terminal, in stable lines to a pipe."""

    def __init__(self, terminal: Terminal, *, verbose: bool) -> None:
        self._terminal = terminal
        self._verbose = verbose
        self._up = False

    def line(self, line: Line) -> None:
        """All of them to a pipe; on a terminal the start is told by `progress`, with what went wrong beside it."""
        if not self._terminal.interactive:
            self._terminal.show(str(line))
        elif self._up or self._verbose or line.level in LOUD:
            self._terminal.show(*self._dressed(line))

    def progress(self, progress: Progress) -> None:
        """One line for each process that is ready."""
        if self._terminal.interactive and progress.seconds is not None:
            mark = self._terminal.glyph("✓", "+")
            self._terminal.show(
                (f"  {mark} ", "green"), f"{progress.name:{NAME_WIDTH}}", (self._seconds(progress), "dim")
            )

    def started(self, started: Started) -> None:
        """The panel."""
        self._up = True
        rows = make_rows(started, find_missing_walls(started.layout.socket("activator")))
        if self._terminal.interactive:
            self._show_panel(rows)
        else:
            for name, value, _ in rows:
                self._terminal.show(f"{name}: {value}")

    def stopping(self) -> None:
        """What a second Ctrl-C does."""
        if self._terminal.interactive:
            self._terminal.show()
            self._terminal.show(("Stopping; what runs is finished first. Ctrl-C again stops at once.", "dim"))

    def close(self) -> None:
        """Nothing more will be shown."""
        self._terminal.out.flush()

    def _seconds(self, progress: Progress) -> str:
        return f"ready in {progress.seconds:.1f} s"

    def _dressed(self, line: Line) -> tuple[Fragment, ...]:
        return (
            (f"{line.at.astimezone():%H:%M:%S} ", "dim"),
            (f"{line.process:{NAME_WIDTH}} ", COLOURS.get(line.process, "")),
            (line.message, STYLES[line.level]),
        )

    def _show_panel(self, rows: list[tuple[str, str, str]]) -> None:
        from rich import box
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value, style in rows:
            grid.add_row(name, Text(value, style=style))
        shape = box.ROUNDED if self._terminal.out.can_show("╭") else box.ASCII
        self._terminal.console.print(Panel(grid, title="IntellyHub", box=shape, expand=False, padding=(0, 1)))


def make_rows(started: Started, missing: list[str]) -> list[tuple[str, str, str]]:
    """Name, value and style of what a person needs now."""
    rows = [
        ("Console", f"{started.url}/", "bold cyan underline"),
        ("API", f"{started.url}/api/docs", "cyan"),
        ("Data", str(started.layout.data), ""),
    ]
    administrator = started.facts.get("administrator")
    if isinstance(administrator, Mapping):
        rows.append(("Administrator", describe_administrator(administrator), "bold"))
    rows += [("Missing wall", wall, "yellow") for wall in missing]
    return [*rows, ("Stop", "Ctrl-C", "")]


def describe_administrator(facts: Mapping[str, Any]) -> str:
    """Who, and the password that is shown this once, where it was made up."""
    password = facts.get("password")
    shown = f"{facts.get('email', '')}"
    return f"{shown}  password {password}  (shown this once)" if password else shown


def find_missing_walls(path: Path) -> list[str]:
    """What the activator says about the walls that do not stand; nothing where it cannot be asked."""
    connection = http.client.HTTPConnection("localhost", timeout=ASK_SECONDS)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(ASK_SECONDS)
    try:
        connection.sock.connect(str(path))
        connection.request("GET", "/workers")
        walls = orjson.loads(connection.getresponse().read())["walls"]
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError, KeyError, TypeError):
        return []
    finally:
        connection.close()
    return list(describe_walls(walls)) if isinstance(walls, Mapping) else []


def describe_walls(walls: Mapping[str, Any]) -> list[str]:
    """One line for each wall that does not stand."""
    missing = walls.get("missing")
    if isinstance(missing, Mapping):
        return [f"{name}: {reason}" for name, reason in missing.items()]
    if isinstance(missing, list):
        return [str(each) for each in missing]
    return []
