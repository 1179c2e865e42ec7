"""Locks that all processes on one PostgreSQL know, by name."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from intellyhub_control_plane.database.database import Database

__all__ = ["advisory_lock"]

PAUSE_SECONDS = 0.2


@contextmanager
def advisory_lock(database: Database, name: str, *, wait_seconds: float = 0.0) -> Iterator[Connection | None]:
    """Hold a lock, which ends with its connection; None where another one has it all the time. The connection stands in
    no transaction; as long as it answers, the lock is held."""
    number = {"number": number_of(name)}
    deadline = time.monotonic() + wait_seconds
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), number):
            if time.monotonic() >= deadline:
                yield None
                return
            time.sleep(PAUSE_SECONDS)
        try:
            yield connection
        finally:
            try:
                connection.execute(text("SELECT pg_advisory_unlock(:number)"), number)
            except SQLAlchemyError:  # it is gone, and the lock with it
                connection.invalidate()


def number_of(name: str) -> int:
    """A name as PostgreSQL wants it: 64 bits, with a sign. Pure."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
