"""What a control plane works with: made once per process, and handed to whoever needs a part of it."""

from __future__ import annotations

import threading
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from flask import current_app

from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.held_requests import HeldRequests
from intellyhub_control_plane.live import Live
from intellyhub_control_plane.models.people import Membership
from intellyhub_control_plane.recent import Recent
from intellyhub_control_plane.settings import Settings
from intellyhub_control_plane.settings import Target as Where
from intellyhub_control_plane.target.local import LocalTarget
from intellyhub_control_plane.target.places import ClusterPlaces, LocalPlaces, Places
from intellyhub_control_plane.target.publishing import Publisher
from intellyhub_control_plane.target.statuses import FlowStatuses, NoStatuses
from intellyhub_control_plane.target.target import Target
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
    journal_address: str | Path
    publisher: Publisher
    flows: Places
    statuses: FlowStatuses
    live: Live
    members: Recent[Membership] = field(default_factory=lambda: Recent(FRESH_SECONDS))
    """By user and tenant, each with both, in no session: only for requests that read."""
    secrets: Recent[frozenset[str]] = field(default_factory=lambda: Recent(FRESH_SECONDS))
    """By tenant: the values to be masked. Forgotten when one is set or deleted."""
    held: HeldRequests = field(default_factory=HeldRequests)
    """Requests of this process that keep workers of a cluster awake."""
    waiting: threading.BoundedSemaphore
    """Requests of this process that may wait for a run's end at a time."""
    console: Path
    """The console's built files; the folder may be missing."""


def make_platform(
    settings: Settings, layout: Layout, keys: Keys, journal_address: str | Path | None = None
) -> Platform:
    """Connects to nothing yet. The journal service is at its socket, where no address is given."""
    from intellyhub_knative.platform.journal.client import JournalClient

    database = Database(settings.database_url or f"sqlite:///{layout.control}", settings.threads)
    journal_address = journal_address or layout.socket("journal")
    journal = JournalClient(journal_address, keys.token(Purpose.JOURNAL))
    target, statuses = open_target(settings, layout, database)
    publisher = Publisher(settings=settings, database=database, target=target, journal=journal)
    places: Places = LocalPlaces(publisher=publisher)
    if statuses.are_there:
        places = ClusterPlaces(publisher=publisher, statuses=statuses, gateway=settings.cluster_gateway)
    return Platform(
        settings=settings,
        layout=layout,
        keys=keys,
        database=database,
        journal=journal,
        journal_address=journal_address,
        live=Live(layout=layout, journal=journal, statuses=statuses),
        publisher=publisher,
        flows=places,
        statuses=statuses,
        waiting=threading.BoundedSemaphore(max(1, settings.threads // 2)),
        console=settings.console or Path(__file__).resolve().parents[2] / "frontend" / "dist",
    )


def open_target(settings: Settings, layout: Layout, database: Database) -> tuple[Target, FlowStatuses]:
    """Where flows are deployed, and who tells how they stand there."""
    files = LocalTarget(layout=layout)
    if settings.target is Where.LOCAL:
        return files, NoStatuses()
    from intellyhub_control_plane.target.cluster_statuses import ClusterStatuses
    from intellyhub_control_plane.target.knative import KnativeTarget
    from intellyhub_knative.platform.desired_records import RecordStore

    store = RecordStore(settings.database_url)
    return KnativeTarget(files=files, store=store, database=database), ClusterStatuses(store=store)


def attach(app: Flask, platform: Platform) -> None:
    """Give an application its platform."""
    app.extensions[EXTENSION] = platform


def the_platform() -> Platform:
    """The platform of the application that answers this request."""
    platform = current_app.extensions[EXTENSION]
    assert isinstance(platform, Platform)
    return platform
