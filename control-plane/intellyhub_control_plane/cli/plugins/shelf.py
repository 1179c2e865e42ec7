"""Where the commands put plugins: a platform's tenant, or a folder beside flows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import click

from intellyhub_control_plane.cli.connection import TOKEN, URL, connect, platform_options
from intellyhub_control_plane.cli.logins import Logins, logins_path
from intellyhub_engine.cli.session import Session
from intellyhub_engine.errors import InputInvalid

if TYPE_CHECKING:
    from intellyhub_control_plane.plugins.repositories import Repository
    from intellyhub_control_plane.plugins.store import Choices

__all__ = ["Found", "Shelf", "choose_shelf", "place_options", "tell_step"]

FOLDER = "plugins"
Decorated = TypeVar("Decorated", bound=Callable[..., object])


class Found(NamedTuple):
    """A plugin that could be installed: what is told of it, and how to get it."""

    facts: dict[str, Any]
    """As the API's preview."""
    handle: Any
    key: str | None = None
    """Who must have signed it, as its repository says."""


class Shelf(Protocol):
    """Where plugins are installed."""

    @property
    def place(self) -> str:
        """In words: `in plugins`, `at http://127.0.0.1:5000`."""

    def look(self, source: str, *, all_of_them: bool) -> list[Found]:
        """What a source holds. Nothing is installed."""

    def install(self, found: Found, choices: Choices) -> dict[str, Any]:
        """Put it there."""

    def installed(self) -> list[dict[str, Any]]:
        """What is there."""

    def update(self, name: str) -> dict[str, Any]:
        """Get the newest from where it came from, and newer versions of what it requires."""

    def uninstall(self, name: str) -> None:
        """Take it away."""

    def search(self, text: str) -> list[dict[str, Any]]:
        """What the known repositories offer."""

    def frozen(self) -> list[dict[str, Any]]:
        """Pinned entries of `plugins.yaml`."""

    def add_repositories(self, repositories: Sequence[Repository]) -> None:
        """Know these repositories too."""


def place_options(command: Decorated) -> Decorated:
    """`--folder`, `--here`, `--url` and `--token`."""
    folder = click.option(
        "--folder", metavar="DIR", type=click.Path(path_type=Path), help="Use this folder of plugins, no platform."
    )
    here = click.option("--here", is_flag=True, help="The same as --folder plugins.")
    return folder(here(platform_options(command)))


def choose_shelf(
    folder: Path | None,
    here: bool,
    url: str | None,
    token: str | None,
    tell: Callable[[str], None] = lambda step: None,
) -> Shelf:
    """What the flags say; without any the platform that is known, else the folder `plugins`. `tell` hears the steps of
    what takes its time. Raises `InputInvalid`."""
    if (folder is not None or here) and (url or token):
        raise InputInvalid("--folder and --here are for a folder, --url and --token for a platform: say one of them")
    local = folder or (Path(FOLDER) if here or not knows_platform(url, token) else None)
    if local is not None:
        from intellyhub_control_plane.cli.plugins.folder_shelf import FolderShelf

        return FolderShelf(local, tell)
    from intellyhub_control_plane.cli.plugins.platform_shelf import PlatformShelf

    return PlatformShelf(connect(url, token), tell)


def tell_step(session: Session) -> Callable[[str], None]:
    """Shows a step to whoever waits for it."""
    return lambda step: session.terminal.tell((f"  {step}", "dim"))


def knows_platform(url: str | None, token: str | None) -> bool:
    """Whether a platform is named, or somebody is logged in to one."""
    named = url or token or os.environ.get(URL) or os.environ.get(TOKEN)
    return bool(named or Logins(logins_path(os.environ)).current_url)
