"""The service: its doors before its database, until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.journal.house import House
from intellyhub_knative.platform.journal.reception import Reception
from intellyhub_knative.platform.journal.settings import Settings
from intellyhub_knative.platform.journal.sqlite_store import SqliteStore
from intellyhub_knative.platform.journal.store import DatabaseLost, Store
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.layout import Layout

if TYPE_CHECKING:
    from intellyhub_knative.platform.pod_tokens import PodTokens

log = logging.getLogger("journal")

__all__ = ["Service", "open_far", "open_near", "serve"]

_KEPT_RUNS = 50
"""The newest runs of a flow stay, however old."""
_TIDYING_SECONDS = 600.0
_BACKLOG = 4096
_PAUSE_SECONDS = 0.2
"""After the database was lost."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """What the service is made of."""

    layout: Layout
    keys: Keys
    settings: Settings
    listening: socket.socket | None
    """The unix socket; None where there is just the network."""
    pods: PodTokens | None = None
    """Knows the pods of flows, on a cluster."""


class Stop:
    """That the process is to end, for who awaits it and for who waits in a thread."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.in_threads = threading.Event()

    def __call__(self) -> None:
        """Say so."""
        self.told.set()
        self.in_threads.set()


async def serve(service: Service, *, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called when the doors are open. A database in PostgreSQL may be away,
    or another service's: then clients are told to come again."""
    stop, loop = Stop(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    reception = make_reception(service)
    if not service.settings.database_url:  # a file that cannot be opened is a fault, and nobody is to wait for it
        reception.house = await open_house(service, stop)
    doors = [await open_near(reception, service.listening)] if service.listening is not None else []
    if service.settings.listen is not None:
        doors.append(await open_far(reception, service.settings))
    ready()
    following = loop.create_task(reception.follow())
    try:
        await live(service, reception, stop)
    finally:
        following.cancel()
        for door in doors:
            door.close()


def make_reception(service: Service) -> Reception:
    """Where clients come in; on a cluster it knows what is deployed."""
    if service.pods is None:
        return Reception(service.keys)
    from intellyhub_knative.platform.desired import Desired

    return Reception(service.keys, pods=service.pods, desired=Desired(service.layout))


async def live(service: Service, reception: Reception, stop: Stop) -> None:
    """Keep house until told to stop; begin again when the database was lost. Raises `JournalUnwritable`."""
    loop = asyncio.get_running_loop()
    stopped = loop.create_task(stop.told.wait())
    while not stop.told.is_set():
        house = reception.house or await open_house(service, stop)
        if house is None:
            break
        reception.house = house
        tidying = loop.create_task(
            house.tidying.keep_small(
                retention_days=service.settings.retention_days, keep=_KEPT_RUNS, every_seconds=_TIDYING_SECONDS
            )
        )
        waited: set[asyncio.Future[Any]] = {house.lost, stopped}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        tidying.cancel()
        reception.house = None
        if house.lost.done():
            log.error("%s; clients repeat what they have no answer to", house.lost.result())
        await close(house)
        if not stop.told.is_set():
            await asyncio.sleep(_PAUSE_SECONDS)
    stopped.cancel()


async def close(house: House) -> None:
    """End a house, also one whose database goes away meanwhile."""
    try:
        await house.close()
    except DatabaseLost as fault:
        log.warning("%s", fault)


async def open_house(service: Service, stop: Stop) -> House | None:
    """The database opened; in PostgreSQL when it is there, and ours. None: told to stop before that."""
    store: Store
    if not service.settings.database_url:
        store = SqliteStore(service.layout.journal, asyncio.get_running_loop())
        return House(store, service.keys)
    from intellyhub_knative.platform.journal.postgres.ownership import Stopped
    from intellyhub_knative.platform.journal.postgres.store import open_store

    try:
        store = await open_store(service.settings.database_url, stop.in_threads)
    except Stopped:
        return None
    return House(store, service.keys)


async def open_near(reception: Reception, listening: socket.socket) -> asyncio.Server:
    """The door on this machine."""
    loop = asyncio.get_running_loop()
    return await loop.create_unix_server(reception.make_connection, sock=listening, backlog=_BACKLOG)


async def open_far(reception: Reception, settings: Settings) -> asyncio.Server:
    """The door in the network. Raises `OSError`."""
    import ssl

    from intellyhub_knative.platform.journal.http_door import HttpDoor
    from intellyhub_knative.platform.journal.pages import make_pages

    assert settings.listen is not None
    host, port = settings.listen
    context = None
    if settings.certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings.certificate, settings.certificate_key)
    pages = make_pages(reception)
    return await asyncio.get_running_loop().create_server(
        lambda: HttpDoor(reception, pages), host, port, ssl=context, backlog=_BACKLOG
    )
