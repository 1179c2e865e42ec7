"""`intellyhub plugins search`: what the known repositories offer."""

from __future__ import annotations

from pathlib import Path

import click

from intellyhub_control_plane.cli.listing import show_list
from intellyhub_control_plane.cli.plugins.listed import COLUMNS, make_row
from intellyhub_control_plane.cli.plugins.shelf import choose_shelf, place_options
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.options import json_option
from intellyhub_engine.cli.session import Session, debug_option, pass_session

__all__ = ["command"]


@click.command("search")
@click.argument("words", metavar="[WORD]...", nargs=-1)
@click.option("--repository", metavar="URL", help="Look into this git repository too, and know it from now on.")
@json_option
@place_options
@debug_option
@pass_session
def command(
    session: Session,
    words: tuple[str, ...],
    repository: str | None,
    as_json: bool,
    folder: Path | None,
    here: bool,
    url: str | None,
    token: str | None,
) -> int:
    """Search the repositories of plugins by words of their names, types and descriptions; without WORD, list all.

    \b
    Examples:
      intellyhub plugins search telegram
      intellyhub plugins search --repository git+https://example.org/plugins.git
    """
    from intellyhub_control_plane.plugins.repositories import Repository
    from intellyhub_control_plane.plugins.wanted import FILE, read_wanted

    shelf = choose_shelf(folder, here, url, token)
    path = Path(FILE)
    known = read_wanted(path.read_text("utf-8")).repositories if path.is_file() else ()
    shelf.add_repositories((*known, *([Repository(address=repository)] if repository else ())))
    plugins = shelf.search(" ".join(words))
    if as_json:
        session.terminal.emit_json(plugins)
    else:
        show_list(session.terminal, COLUMNS, [make_row(plugin) for plugin in plugins], empty="nothing is found")
    return Exit.SUCCEEDED
