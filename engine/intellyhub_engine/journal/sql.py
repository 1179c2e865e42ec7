"""What the journal's statements need of a database, so that they are written once: `sqlite3` has it, and so has the
connection to PostgreSQL of the journal service. Statements are SQLite's, with `?` and `?1` for values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from intellyhub_engine.errors import JournalError

__all__ = ["Connection", "Cursor", "Faults"]


class Cursor(Protocol):
    """What a statement gives."""

    @property
    def rowcount(self) -> int:
        """Rows changed."""

    def fetchone(self) -> Any:
        """The next row; None behind the last."""

    def fetchall(self) -> list[Any]:
        """The rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """Row by row."""


class Connection(Protocol):
    """Where statements are executed; each by itself is a transaction, outside of `BEGIN` and `COMMIT`."""

    @property
    def in_transaction(self) -> bool:
        """Whether there was a `BEGIN`."""

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Cursor:
        """Execute a statement."""

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Cursor:
        """Execute a statement once for each row of values."""

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""

    def close(self) -> None:
        """Close."""


class Faults(Protocol):
    """What a database's errors mean."""

    @property
    def kind(self) -> type[Exception]:
        """The class of all errors of its driver."""

    def translate(self, fault: Exception) -> JournalError:
        """The error to raise from one; its message names the remedy."""

    def is_busy(self, fault: Exception) -> bool:
        """Whether another process holds what this one needs."""

    def is_lost(self, fault: Exception) -> bool:
        """Whether nobody knows what became of the transaction: the connection is gone."""
