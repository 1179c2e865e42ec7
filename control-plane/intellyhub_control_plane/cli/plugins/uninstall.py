"""`intellyhub plugins uninstall`: take plugins away."""

from __future__ import annotations

from pathlib import Path

import click

from intellyhub_control_plane.cli.plugins.shelf import choose_shelf, place_options
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.session import Session, debug_option, pass_session

__all__ = ["command"]


@click.command("uninstall")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@place_options
@debug_option
@pass_session
def command(
    session: Session, names: tuple[str, ...], folder: Path | None, here: bool, url: str | None, token: str | None
) -> int:
    """Take plugins away. On a platform only those that no flow uses.

    \b
    Examples:
      intellyhub plugins uninstall rss-reader
    """
    shelf = choose_shelf(folder, here, url, token)
    for name in names:
        shelf.uninstall(name)
        session.terminal.show(f"{name} is uninstalled {shelf.place}")
    return Exit.SUCCEEDED
