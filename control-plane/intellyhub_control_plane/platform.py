"""What a control plane works with: made once per process, and handed to whoever needs a part of it."""

from __future__ import annotations

import threading
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from flask import current_app

from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.live import Live
from intellyhub_control_plane.models.people import Membership
from intellyhub_control_plane.recent import Recent
from intellyhub_control_plane.settings import Settings
from intellyhub_control_plane.target.local import LocalTarget
from intellyhub_control_plane.target.publishing import Publisher
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.keys import Keys, Purpose
from intellyhub_knative.platform.layout import Layout

if TYPE_CHECKING:
    from flask import Flask

    from intellyhub_knative.platform.journal.client import JournalClient

__all__ = ["Platform", "attach", "make_platform", "the_platform"]

EXTENSION = "intellyhub"
FRESH_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The parts of one platform, as the control plane sees them."""

    settings: Settings
    layout: Layout
    keys: Keys
    database: Database
    journal: JournalClient
    publisher: Publisher
    live: Live
    members: Recent[Membership] = field(default_factory=lambda: Recent(FRESH_SECONDS))
    """By user and tenant, each with both, in no session: only for requests that read."""
    secrets: Recent[frozenset[str]] = field(default_factory=lambda: Recent(FRESH_SECONDS))
    """By tenant: the values to be masked. Forgotten when one is set or deleted."""
    waiting: threading.BoundedSemaphore
    """Requests of this process that may wait for a run's end at a time."""
    console: Path
    """The console's built files; the folder may be missing."""


def make_platform(settings: Settings, layout: Layout, keys: Keys) -> Platform:
    """Connects to nothing yet."""
    from intellyhub_knative.platform.journal.client import JournalClient

    database = Database(settings.database_url or f"sqlite:///{layout.control}", settings.threads)
    journal = JournalClient(layout.socket("journal"), keys.token(Purpose.JOURNAL))
    return Platform(
        settings=settings,
        layout=layout,
        keys=keys,
        database=database,
        journal=journal,
        live=Live(layout=layout, journal=journal),
        publisher=Publisher(settings=settings, database=database, target=LocalTarget(layout=layout), journal=journal),
        waiting=threading.BoundedSemaphore(max(1, settings.threads // 2)),
        console=settings.console or Path(__file__).resolve().parents[2] / "frontend" / "dist",
    )


def attach(app: Flask, platform: Platform) -> None:
    """Give an application its platform."""
    app.extensions[EXTENSION] = platform


def the_platform() -> Platform:
    """The platform of the application that answers this request."""
    platform = current_app.extensions[EXTENSION]
    assert isinstance(platform, Platform)
    return platform
