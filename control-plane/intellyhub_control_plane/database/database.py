"""Connections and transactions, alike on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

__all__ = ["Database", "reason_of"]

BUSY_SECONDS = 10
THREADS = 8


class Database:
    """One database, for the threads of one process. `dispose` before a fork."""

    def __init__(self, url: str, threads: int = THREADS) -> None:
        self.engine = make_engine(url, threads)
        self.writing = self.engine.execution_options(writing=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is the embedded one."""
        return self.engine.dialect.name == "sqlite"

    def session(self, *, writing: bool) -> Session:
        """A session. On SQLite one that writes takes the write lock when it begins, so that it never has to give up
        in the middle because another one wrote meanwhile (https://sqlite.org/lang_transaction.html)."""
        return Session(self.writing if writing else self.engine, expire_on_commit=False)

    @contextmanager
    def transaction(self, *, writing: bool = True) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on a fault."""
        with self.session(writing=writing) as session, session.begin():
            yield session

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def reason_of(fault: Exception) -> str:
    """What a database says is wrong, in one line; never the statement, nor the values in it."""
    said = fault.orig if isinstance(fault, DBAPIError) else fault
    return " ".join(str(said).split())[:500]


def make_engine(url: str, connections: int) -> Engine:
    """An engine for either database, which keeps so many connections open, and opens as many again when it must."""
    if not url.startswith("sqlite"):
        return create_engine(
            url, pool_size=connections, max_overflow=connections, pool_pre_ping=True, pool_recycle=1800
        )
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=connections,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", prepare_connection)
    event.listen(engine, "begin", begin)
    return engine


def prepare_connection(connection: sqlite3.Connection, _record: Any) -> None:
    """Readers beside one writer, durable commits, foreign keys. SQLAlchemy begins transactions itself."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def begin(connection: Connection) -> None:
    """Emit the BEGIN that pysqlite was told not to (https://docs.sqlalchemy.org/dialects/sqlite.html)."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writing") else "BEGIN")
