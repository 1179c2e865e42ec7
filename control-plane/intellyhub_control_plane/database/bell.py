"""Builders are told at once that there is something to do: NOTIFY with what is put into a queue, LISTEN in builders.

Who hears nothing, because the database is away or is a SQLite, looks by itself now and then all the same.
"""

from __future__ import annotations

import logging
import select
import threading
from collections.abc import Collection
from contextlib import closing

from sqlalchemy import func
from sqlalchemy import select as sql_select
from sqlalchemy.orm import Session

from intellyhub_knative.platform.desired_records import RecordsUnavailable, connect, translated

__all__ = ["listen", "ring"]

LOG = logging.getLogger(__name__)
CHANNEL = "intellyhub_builds"
LOOK_SECONDS = 0.5
"""How often it is asked whether to go on listening."""
PAUSE_SECONDS = 5.0


def ring(session: Session) -> None:
    """Tell every builder, when this transaction is committed."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sql_select(func.pg_notify(CHANNEL, "")))


def listen(url: str, bells: Collection[threading.Event], stop: threading.Event) -> None:
    """Set the events whenever somebody rings, until told to stop; with each connection too, as nobody heard what was
    told before it."""
    while not stop.is_set():
        try:
            with translated():
                hear(url, bells, stop)
        except RecordsUnavailable as fault:
            LOG.warning("new builds are not heard of at once, only within seconds: %s", fault)
            stop.wait(PAUSE_SECONDS)


def hear(url: str, bells: Collection[threading.Event], stop: threading.Event) -> None:
    """With one connection. Raises psycopg2's errors."""
    with closing(connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        set_all(bells)
        while not stop.is_set():
            if not select.select([connection], [], [], LOOK_SECONDS)[0]:
                continue
            connection.poll()
            if connection.notifies:
                connection.notifies.clear()
                set_all(bells)


def set_all(bells: Collection[threading.Event]) -> None:
    for bell in bells:
        bell.set()
