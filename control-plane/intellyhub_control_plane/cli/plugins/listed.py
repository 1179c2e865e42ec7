"""`intellyhub plugins list`: what is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from intellyhub_control_plane.cli.listing import Cell, Column, show_list
from intellyhub_control_plane.cli.plugins.shelf import choose_shelf, place_options
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.options import json_option
from intellyhub_engine.cli.session import Session, debug_option, pass_session

__all__ = ["COLUMNS", "command", "make_row"]

COLUMNS = (Column("plugin"), Column("version"), Column("offers"), Column("from"), Column("description"))


@click.command("list")
@json_option
@place_options
@debug_option
@pass_session
def command(
    session: Session, as_json: bool, folder: Path | None, here: bool, url: str | None, token: str | None
) -> int:
    """List the installed plugins. Piped: name, version, types, source, description.

    \b
    Examples:
      intellyhub plugins list
      intellyhub plugins list --here --json | jq -r '.[].name'
    """
    plugins = choose_shelf(folder, here, url, token).installed()
    if as_json:
        session.terminal.emit_json(plugins)
    else:
        rows = [make_row(plugin) for plugin in plugins]
        show_list(session.terminal, COLUMNS, rows, empty="no plugins yet; try: intellyhub plugins search")
    return Exit.SUCCEEDED


def make_row(plugin: dict[str, Any]) -> tuple[Cell, ...]:
    """A plugin as a line."""
    newer = plugin["available_version"] if plugin["installed"] else None
    shown = f"{plugin['version']} ({newer} available)" if newer and newer != plugin["version"] else None
    return (
        Cell(plugin["name"], style="bold"),
        Cell(plugin["version"], shown),
        Cell(", ".join((*plugin["state_types"], *plugin["listener_types"]))),
        Cell(plugin["source"]),
        Cell(plugin["fault"] or plugin["description"], style="bold red" if plugin["fault"] else ""),
    )
