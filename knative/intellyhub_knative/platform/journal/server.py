"""The service: a unix stream socket before the database, until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.journal.connection import Connection
from intellyhub_knative.platform.journal.house import House
from intellyhub_knative.platform.keys import Keys

__all__ = ["RETENTION_DAYS", "open_service", "read_retention_days", "serve"]

RETENTION_DAYS = "INTELLYHUB_RETENTION_DAYS"
"""Variable: how long ended runs are kept, in days; 30 where it is not set."""
_KEPT_RUNS = 50
"""The newest runs of a flow stay, however old."""
_TIDYING_SECONDS = 600.0
_BACKLOG = 4096


def read_retention_days(environment: Mapping[str, str]) -> float:
    """What `INTELLYHUB_RETENTION_DAYS` says. Raises `InputInvalid`."""
    text = environment.get(RETENTION_DAYS) or "30"
    try:
        days = float(text)
    except ValueError:
        days = -1
    if not 0 < days <= 36_500:
        raise InputInvalid(f"{RETENTION_DAYS} is {text!r}: name a number of days above 0")
    return days


async def open_service(
    path: Path, keys: Keys, listening: socket.socket, *, now_ns: Callable[[], int] = time.time_ns
) -> tuple[House, asyncio.Server]:
    """The database opened, and its door."""
    house = House(path, keys, now_ns=now_ns)
    server = await asyncio.get_running_loop().create_unix_server(
        lambda: Connection(house), sock=listening, backlog=_BACKLOG
    )
    return house, server


async def serve(
    path: Path, keys: Keys, listening: socket.socket, *, retention_days: float, ready: Callable[[], None]
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called when it works."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    house, server = await open_service(path, keys, listening)
    tidying = loop.create_task(
        house.tidying.keep_small(retention_days=retention_days, keep=_KEPT_RUNS, every_seconds=_TIDYING_SECONDS)
    )
    ready()
    await stop.wait()
    tidying.cancel()
    server.close()
    await house.close()
