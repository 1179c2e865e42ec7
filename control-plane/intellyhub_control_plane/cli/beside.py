"""What lies beside a flow's file and goes into its image: plugins, and flows that it calls."""

from __future__ import annotations

from pathlib import Path

from intellyhub_engine.cli.programs import MAX_FLOW_BYTES
from intellyhub_engine.cli.session import Session
from intellyhub_engine.errors import InputInvalid
from intellyhub_functions.plugins.beside import find_plugins
from intellyhub_functions.plugins.plugin import InstalledPlugin

__all__ = ["plugins_beside", "read_called"]

FOLDER = "plugins"


def plugins_beside(session: Session, flow: Path, *, quiet: bool) -> tuple[InstalledPlugin, ...]:
    """The plugins in `plugins/` beside a flow; what `plugins.yaml` there pins and is missing is installed. Raises
    `InputInvalid`, also where something that is not pinned is missing: somebody should look at it first."""
    from intellyhub_control_plane.plugins.wanted import FILE, read_wanted

    folder, listed = flow.absolute().parent / FOLDER, flow.absolute().parent / FILE
    if listed.is_file():
        install_missing(session, folder, read_wanted(listed.read_text("utf-8")), quiet=quiet)
    return tuple(find_plugins(folder)) if folder.is_dir() else ()


def install_missing(session: Session, folder: Path, wanted: object, *, quiet: bool) -> None:
    """Install what is pinned and not there."""
    from intellyhub_control_plane.cli.plugins.folder_shelf import FolderShelf
    from intellyhub_control_plane.cli.plugins.install import look_up_pinned
    from intellyhub_control_plane.cli.plugins.shelf import tell_step
    from intellyhub_control_plane.plugins.store import Choices
    from intellyhub_control_plane.plugins.wanted import Wanted

    assert isinstance(wanted, Wanted)
    shelf = FolderShelf(folder, (lambda step: None) if quiet else tell_step(session))
    shelf.add_repositories(wanted.repositories)
    there = {row["digest"] for row in shelf.frozen()}
    names = {str(row["name"]) for row in shelf.frozen()}
    for entry in wanted.plugins:
        if entry.choices.digest is None:
            if not names & {entry.origin.address, entry.origin.address.removeprefix("intellyhub-plugin-")}:
                raise InputInvalid(
                    f"plugins.yaml asks for {entry.origin}, which is neither installed nor pinned: look at it with"
                    f" `intellyhub plugins install --folder {folder}`, then pin it with `intellyhub plugins freeze`"
                )
        elif entry.choices.digest not in there:
            found, choices = look_up_pinned(shelf, entry, Choices())
            shelf.install(found, choices)


def read_called(flow: Path, name: str) -> bytes | None:
    """The text of a flow that is called by a name or a path below the caller's folder; None where there is none."""
    folder = flow.absolute().parent
    for spot in (folder / name, folder / f"{name}.yaml", folder / f"{name}.yml"):
        if spot.is_file() and spot.resolve().is_relative_to(folder.resolve()):
            return spot.read_bytes()[: MAX_FLOW_BYTES + 1]
    return None
