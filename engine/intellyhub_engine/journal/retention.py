"""Bounding the history: old runs leave in small batches, and their disk space goes back to the file system."""

from __future__ import annotations

from collections.abc import Sequence

from intellyhub_engine.journal.sql import Connection

__all__ = ["delete_runs", "expired_runs", "family_of", "return_pages"]

_EXPIRED = """
SELECT run_id FROM (
    SELECT run_id, number, finished_ns, row_number() OVER (PARTITION BY flow ORDER BY number DESC) AS age
    FROM run WHERE parent_id IS NULL
) AS aged WHERE finished_ns < ? AND age > ? ORDER BY number LIMIT ?
"""
_FAMILY = """
WITH RECURSIVE family (run_id, number) AS (
    SELECT run_id, number FROM run WHERE run_id IN ({marks})
    UNION ALL SELECT run.run_id, run.number FROM run JOIN family ON run.parent_id = family.run_id
) SELECT number FROM family
"""


def expired_runs(connection: Connection, *, older_than_ns: int, keep: int, limit: int) -> Sequence[str]:
    """Ended runs that may go: ended before `older_than_ns` and not among the newest `keep` of their flow."""
    return [run_id for (run_id,) in connection.execute(_EXPIRED, (older_than_ns, keep, limit))]


def delete_runs(connection: Connection, run_ids: Sequence[str]) -> None:
    """Delete runs with their children, every record, and what woke them."""
    numbers = family_of(connection, run_ids)
    connection.executemany("DELETE FROM record WHERE run = ?", numbers)
    connection.executemany("DELETE FROM awakening WHERE run = ?", numbers)
    connection.executemany("DELETE FROM run WHERE number = ?", numbers)


def family_of(connection: Connection, run_ids: Sequence[str]) -> list[tuple[int]]:
    """The numbers of runs and of all that descends from them."""
    query = _FAMILY.format(marks=", ".join("?" * len(run_ids)))
    return connection.execute(query, run_ids).fetchall()


def return_pages(connection: Connection, pages: int) -> int:
    """Cut up to `pages` free pages off the file; how many free ones are left."""
    connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])
