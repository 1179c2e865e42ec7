"""Plugins as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from intellyhub_control_plane.models.plugins import PluginRepository
from intellyhub_control_plane.plugins.describing import describe_installed, describe_listing
from intellyhub_control_plane.plugins.installation import Installation
from intellyhub_control_plane.plugins.repositories import Listing
from intellyhub_control_plane.plugins.store import Row, Store
from intellyhub_control_plane.shapes.plugins import InstallationStep, Plugin, PluginInstallation

__all__ = [
    "GENERIC_ICON",
    "icon_url",
    "listings_of",
    "show_installation",
    "show_installed",
    "show_listing",
    "store_listing",
]

GENERIC_ICON = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24" fill="currentColor">'
    b'<path d="M9 2v4H6a1 1 0 0 0-1 1v4a7 7 0 0 0 6 6.93V22h2v-4.07A7 7 0 0 0 19 11V7a1 1 0 0 0-1-1h-3V2h-2v4h-2V2z"/>'
    b"</svg>"
)
"""A plug, for plugins that bring no picture."""


def icon_url(name: str) -> str:
    """Where a plugin's picture is."""
    return f"/api/plugins/{quote(name, safe='')}/icon"


def show_installed(store: Store, row: Row, available: Mapping[str, Listing]) -> dict[str, Any]:
    """The fields of an installed plugin."""
    facts = describe_installed(store, row, available.get(row.name))
    return {**facts, "installed_at": datetime.fromisoformat(row.installed_at), "icon_url": icon_url(row.name)}


def show_installation(installation: Installation) -> PluginInstallation:
    """How far it has come."""
    return PluginInstallation(
        id=installation.id,
        what=installation.what,
        state=installation.state,
        steps=[InstallationStep(at=step.at, text=step.text) for step in installation.steps],
        plugin=installation.plugin,
        fault=installation.fault,
    )


def show_listing(listing: Listing) -> Plugin:
    """A plugin that is not installed."""
    return Plugin(**describe_listing(listing), icon_url=icon_url(listing.name))


def store_listing(listing: Listing) -> dict[str, Any]:
    """As it is kept."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(listing).items()}


def listings_of(repositories: Iterable[PluginRepository]) -> list[Listing]:
    """What repositories offered when they were looked at; keys of other versions are left out."""
    known = Listing.__dataclass_fields__
    lists = ("state_types", "listener_types", "requirements")
    found = [listing for repository in repositories for listing in repository.listings]
    rows: list[dict[str, Any]] = [
        {key: tuple(value) if key in lists else value for key, value in each.items() if key in known} for each in found
    ]
    return [Listing(**row) for row in rows]
