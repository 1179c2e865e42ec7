"""`intellyhub plugins update`: newer versions of plugins, and of what they require."""

from __future__ import annotations

from pathlib import Path

import click

from intellyhub_control_plane.cli.plugins.shelf import Shelf, choose_shelf, place_options, tell_step
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.session import Session, debug_option, pass_session
from intellyhub_engine.errors import EngineError, InputInvalid

__all__ = ["command"]

ALL = "all"


@click.command("update")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@place_options
@debug_option
@pass_session
def command(
    session: Session, names: tuple[str, ...], folder: Path | None, here: bool, url: str | None, token: str | None
) -> int:
    """Fetch plugins anew from where they came from, and resolve what they require anew. NAME `all` means every one.

    Flows use the new version from their next run on; nothing is restarted.

    \b
    Examples:
      intellyhub plugins update rss-reader
      intellyhub plugins update all
    """
    shelf = choose_shelf(folder, here, url, token, tell_step(session))
    before = {plugin["name"]: plugin for plugin in shelf.installed()}
    wanted = list(before) if names == (ALL,) else list(names)
    if not wanted and not names:
        raise InputInvalid("name a plugin to update, or say: intellyhub plugins update all")
    faults = [name for name in wanted if not update(session, shelf, name, before.get(name))]
    return Exit.FAILED if faults else Exit.SUCCEEDED


def update(session: Session, shelf: Shelf, name: str, before: dict[str, object] | None) -> bool:
    """One plugin; whether it went well. One that cannot be updated stays as it is, and keeps no other from it."""
    try:
        after = shelf.update(name)
    except EngineError as fault:
        session.terminal.tell((f"{name}: ", "bold red"), str(fault))
        return False
    if before is not None and before["digest"] == after["digest"] and before["layer"] == after["layer"]:
        session.terminal.show(f"{name} {after['version']} is the newest")
    else:
        old = f"{before['version']} -> " if before is not None else ""
        session.terminal.show(f"{name} {old}{after['version']} {shelf.place}")
    return True
