"""One service owns the journal in PostgreSQL; any other waits.

The owner holds an advisory lock in the very session in which it writes. The lock ends with that session, and nothing
can be committed in a session that has ended: so whoever gets the lock knows that the one before can write no more, even
if that one lives on behind a broken network. Beside that, each owner has a number, which every transaction compares
(`fence`), for the case that something between (a pooler) shares sessions.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import Any

import psycopg2

from intellyhub_engine.errors import EngineError
from intellyhub_knative.platform.journal.postgres.connection import PgConnection, dial
from intellyhub_knative.platform.journal.postgres.faults import reason_of
from intellyhub_knative.platform.journal.postgres.tables import LOCK, prepare

__all__ = ["Stopped", "take_ownership"]

log = logging.getLogger("journal")

_POLL_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 2.0
_SAID_SECONDS = 30.0


class Stopped(Exception):
    """The process is to end before it became the owner."""


def take_ownership(url: str, stop: threading.Event) -> PgConnection:
    """The session to write in, once this process owns the journal; waits for the database and for the owner before.
    Raises `Stopped`, and `JournalUnwritable` for tables of a newer version."""
    pause, said_at = _POLL_SECONDS, float("-inf")
    while not stop.is_set():
        raw = None
        try:
            raw = dial(url)
            return own(raw, stop)
        except psycopg2.Error as fault:
            if time.monotonic() - said_at > _SAID_SECONDS:
                said_at = time.monotonic()
                log.warning("waiting for the journal's database: %s", reason_of(fault))
        except (EngineError, Stopped):
            if raw is not None:
                raw.close()
            raise
        if raw is not None:
            raw.close()
        stop.wait(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    raise Stopped


def own(raw: Any, stop: threading.Event) -> PgConnection:
    """Become the owner, in this session."""
    cursor = raw.cursor()
    is_waiting = False
    while not is_free(cursor):
        if not is_waiting:
            is_waiting = True
            log.info("another journal service owns the journal; waiting for its end")
        if stop.wait(_POLL_SECONDS):
            raise Stopped
    prepare(raw)
    cursor.execute(
        "UPDATE ownership SET epoch = epoch + 1, owner = %s, since = now() RETURNING epoch", (socket.gethostname(),)
    )
    [epoch] = cursor.fetchone()
    log.info("owner %d of the journal", epoch)
    return PgConnection(raw, fence=f"SELECT fence({int(epoch)});")


def is_free(cursor: Any) -> bool:
    """Take the lock, unless somebody has it."""
    cursor.execute("SELECT pg_try_advisory_lock(%s, 2)", (LOCK,))
    return bool(cursor.fetchone()[0])
