"""`intellyhub plugins freeze`: what is installed, pinned, as a plugins.yaml."""

from __future__ import annotations

from pathlib import Path

import click

from intellyhub_control_plane.cli.plugins.shelf import choose_shelf, place_options
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.session import Session, debug_option, pass_session

__all__ = ["command"]


@click.command("freeze")
@place_options
@debug_option
@pass_session
def command(session: Session, folder: Path | None, here: bool, url: str | None, token: str | None) -> int:
    """Print a plugins.yaml that pins every installed plugin to its files, and every package to its hash.

    \b
    Examples:
      intellyhub plugins freeze > plugins.yaml
      intellyhub plugins freeze --url https://test.example.org > plugins.yaml
    """
    from intellyhub_control_plane.plugins.wanted import FILE, read_wanted, write_wanted

    shelf = choose_shelf(folder, here, url, token)
    path = Path(FILE)
    written = path.read_text("utf-8") if path.is_file() else ""
    repositories = read_wanted(written).repositories if written else ()
    session.terminal.emit(write_wanted(shelf.frozen(), repositories))
    return Exit.SUCCEEDED
