"""`intellyhub plugins new`: a project with a plugin and its test."""

from __future__ import annotations

from pathlib import Path

import click

from intellyhub_engine.cli.exits import CommandFailed, Exit
from intellyhub_engine.cli.session import Session, debug_option, pass_session

__all__ = ["command"]


@click.command("new")
@click.argument("name", metavar="NAME")
@click.option("--source", "is_source", is_flag=True, help="A source of events instead of a state type.")
@click.option(
    "--into", metavar="DIR", type=click.Path(path_type=Path), help="The project's folder (default: one called NAME)."
)
@debug_option
@pass_session
def command(session: Session, name: str, is_source: bool, into: Path | None) -> int:
    """Write a project: one typed function that is a state type, its test, an example flow.

    \b
    Examples:
      intellyhub plugins new shout
      cd shout && python -m pytest && intellyhub plugins install . --here
    """
    from intellyhub_control_plane.plugins.project import make_project

    files = make_project(name, is_source=is_source)
    folder = into or Path(name)
    if folder.exists() and any(folder.iterdir()):
        raise CommandFailed(f"{folder} is there already, and not empty", Exit.UNWRITABLE)
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, "utf-8")
        session.terminal.show(str(place))
    session.terminal.tell(f"next: cd {folder} && python -m pytest && intellyhub run example.yaml")
    return Exit.SUCCEEDED
