"""Plugins in a folder beside flows: `plugins.json`, the plugins' files, and what they require in `.layers`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from intellyhub_control_plane.cli.plugins.shelf import Found
from intellyhub_control_plane.plugins.describing import (
    describe_candidate,
    describe_installed,
    describe_listing,
    freeze,
)
from intellyhub_control_plane.plugins.fetching import Fetcher
from intellyhub_control_plane.plugins.origins import Kind, read_origin
from intellyhub_control_plane.plugins.repositories import (
    Listing,
    Repository,
    find_newest,
    find_plugins,
    list_offers,
    matches,
)
from intellyhub_control_plane.plugins.store import Choices, Row, Store
from intellyhub_engine.cli.exits import CommandFailed, Exit
from intellyhub_functions.plugins.beside import LAYERS

__all__ = ["REPOSITORY", "FolderShelf"]

REPOSITORY = "INTELLYHUB_PLUGIN_REPOSITORY"


class FolderShelf:
    """Works without a platform, as the person who calls it; packages are resolved behind walls all the same."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self.folder = folder
        path = folder.absolute()
        self._store = Store(folder=path, layers=path / LAYERS, tell=tell)
        self._fetcher = Fetcher(is_local=True, tell=tell)
        named = os.environ.get(REPOSITORY, "")
        self._repositories = [Repository(address=named)] if named else []
        self._listings: list[Listing] | None = None

    @property
    def place(self) -> str:
        return f"in {self.folder}"

    def add_repositories(self, repositories: Sequence[Repository]) -> None:
        self._repositories += [each for each in repositories if each not in self._repositories]
        self._listings = None

    def look(self, source: str, *, all_of_them: bool) -> list[Found]:
        origin = read_origin(source)
        listings = self._list() if origin.kind is Kind.NAME else []
        rows = self._store.rows()
        return [
            Found(describe_candidate(candidate, rows.get(candidate.name)), candidate, key)
            for candidate, key in find_plugins(self._fetcher, origin, listings, all_of_them=all_of_them)
        ]

    def install(self, found: Found, choices: Choices) -> dict[str, Any]:
        row = self._store.install(found.handle, choices)
        self._store.sweep(())
        return describe_installed(self._store, row)

    def installed(self) -> list[dict[str, Any]]:
        return [describe_installed(self._store, row) for row in self._store.rows().values()]

    def update(self, name: str) -> dict[str, Any]:
        row = self._row(name)
        listings = self._list() if read_origin(row.source).kind is Kind.NAME else []
        updated = self._store.install(find_newest(self._fetcher, row, listings), row.choices)
        self._store.sweep(())
        return describe_installed(self._store, updated)

    def uninstall(self, name: str) -> None:
        self._row(name)
        self._store.remove(name)
        self._store.sweep(())

    def search(self, text: str) -> list[dict[str, Any]]:
        if not self._repositories:
            raise CommandFailed(
                "no repository of plugins is known: name one in plugins.yaml (repositories: [git+https://...]), or in"
                f" {REPOSITORY}",
                Exit.NOT_FOUND,
            )
        return [describe_listing(listing) for listing in self._list() if matches(listing, text)]

    def frozen(self) -> list[dict[str, Any]]:
        return [freeze(row) for row in self._store.rows().values()]

    def _row(self, name: str) -> Row:
        row = self._store.row(name)
        if row is None:
            raise CommandFailed(f"no plugin {name!r} is installed {self.place}", Exit.NOT_FOUND)
        return row

    def _list(self) -> list[Listing]:
        """Every plugin of every known repository, fetched once."""
        if self._listings is None:
            self._listings = [
                listing for repository in self._repositories for listing in list_offers(self._fetcher, repository)
            ]
        return self._listings
