"""The outbox's tables, which stand beside the journal's in one database, so that both share commits."""

from __future__ import annotations

import sqlite3

from intellyhub_engine.errors import JournalUnwritable

__all__ = ["prepare"]

# `identity` is a digest of tenant, source and id: what makes an event the same one. `mark` is the mark of the request
# that wrote the row last, by which a request that is repeated after a lost answer is known.
_FIRST = (
    """CREATE TABLE event (
        number INTEGER PRIMARY KEY,
        identity BLOB NOT NULL,
        tenant TEXT NOT NULL,
        hops INTEGER NOT NULL,
        accepted_ns INTEGER NOT NULL,
        routed INTEGER NOT NULL DEFAULT 0,
        mark INTEGER,
        body TEXT NOT NULL
    )""",
    "CREATE UNIQUE INDEX event_identity ON event (identity)",
    "CREATE INDEX event_unrouted ON event (number) WHERE routed = 0",
    # Ids are never given twice: a late settlement must not meet another delivery.
    """CREATE TABLE delivery (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        event INTEGER NOT NULL REFERENCES event (number),
        tenant TEXT NOT NULL,
        flow_id TEXT NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 1,
        due_ns INTEGER NOT NULL,
        died_ns INTEGER,
        code INTEGER,
        error TEXT,
        mark INTEGER
    )""",
    "CREATE INDEX delivery_of_event ON delivery (event)",
    "CREATE INDEX delivery_due ON delivery (due_ns, flow_id) WHERE died_ns IS NULL",
    "CREATE INDEX delivery_dead ON delivery (tenant, id) WHERE died_ns IS NOT NULL",
)
_MIGRATIONS = (_FIRST,)
"""Never changed once released; a new one is added at the end."""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, or bring them up to date. Raises `JournalUnwritable` for tables of a newer version."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = applied(connection)
        for migration in _MIGRATIONS[version:]:
            for statement in migration:
                connection.execute(statement)
        if version < len(_MIGRATIONS):
            connection.execute("INSERT OR REPLACE INTO part VALUES ('outbox', ?)", (len(_MIGRATIONS),))
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def applied(connection: sqlite3.Connection) -> int:
    """How many of the migrations the database has had."""
    connection.execute("CREATE TABLE IF NOT EXISTS part (name TEXT PRIMARY KEY, version INTEGER NOT NULL)")
    row = connection.execute("SELECT version FROM part WHERE name = 'outbox'").fetchone()
    version: int = row[0] if row else 0
    if version > len(_MIGRATIONS):
        raise JournalUnwritable("the outbox was written by a newer IntellyHub; install that one")
    return version
