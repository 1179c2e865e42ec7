"""The outbox table (`outbox.sql`): rows that applications insert with their own data, in one transaction with it.

A row is locked while its event is being stored, and deleted when it is. Others who take from the table skip it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.network.patience import Stopped
from intellyhub_functions.sources.postgres.connection import Connection

__all__ = ["Outbox", "Row"]

MAX_ROWS = 20
"""Taken at once; with MAX_DATA_BYTES it bounds what an answer may hold."""
MAX_DATA_BYTES = 1024 * 1024
MAX_STORED = 1000
"""Event ids kept of rows that are stored and could not be deleted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row as it was taken."""

    id: int
    event_id: str
    type: str | None
    subject: str | None
    data: Any
    created_at: str


class Outbox:
    """One table, as one listener uses it."""

    def __init__(self, table: str, place: str, context: SourceContext) -> None:
        from psycopg2 import sql

        name = sql.Identifier(*table.split("."))
        self._claim = sql.SQL(
            "SELECT id, left(event_id, 200), left(type, 200), left(subject, 1000),"
            " CASE WHEN octet_length(data::text) <= {limit} THEN data::text END,"
            " to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
            " FROM {name} WHERE error IS NULL ORDER BY id FOR UPDATE SKIP LOCKED LIMIT {rows}"
        ).format(name=name, limit=sql.Literal(MAX_DATA_BYTES), rows=sql.Literal(MAX_ROWS))
        self._delete = sql.SQL("DELETE FROM {name} WHERE id = ANY(%s)").format(name=name)
        self._mark = sql.SQL("UPDATE {name} SET error = %s WHERE id = %s").format(name=name)
        self._table = table
        self._place = place
        self._context = context
        self.took = 0
        """Rows that the last look found, whatever has become of them."""
        self._stored: dict[str, None] = dict.fromkeys(context.cursors.get(place) or ())

    def take(self, connection: Connection) -> Iterator[Row]:
        """The rows that wait, each locked until the iteration goes on after the last one; asking for the next says that
        the last one is stored. Raises what the connection raises."""
        taking = Taking(self._find(connection), connection)
        self.took = len(taking.answers)
        try:
            for answer in taking.answers:
                if self._context.stopping.is_set():
                    break
                row = self._read(answer, connection)
                if row is not None and row.event_id not in self._stored:
                    yield row
                if row is not None:
                    taking.done(row)
            self._finish(taking)
        except GeneratorExit:
            with contextlib.suppress(RetryableError, PermanentError):  # `_finish` has remembered what is stored
                self._finish(taking)
            raise
        except (RetryableError, PermanentError, Stopped):
            self._remember(taking)
            raise

    def _find(self, connection: Connection) -> list[tuple[Any, ...]]:
        connection.run("BEGIN")
        try:
            return connection.run(self._claim)
        except PermanentError as refusal:
            raise PermanentError(
                f"the outbox {self._table} cannot be read: {refusal}; its page says which table it has to be"
            ) from refusal

    def _read(self, answer: tuple[Any, ...], connection: Connection) -> Row | None:
        """The row; None where it is malformed, which is noted in it: it waits there for a person."""
        number, event_id, kind, subject, data, created_at = answer
        try:
            content = json.loads(data) if data is not None else None
            fault = f"its data is larger than {MAX_DATA_BYTES} bytes" if data is None else ""
        except (ValueError, RecursionError) as unreadable:
            content, fault = None, f"its data cannot be read: {unreadable}"
        if fault:
            self._context.log("error", f"the row {number} of {self._table} makes no event: {fault}")
            connection.run(self._mark, (fault[:500], number))
            return None
        return Row(id=number, event_id=event_id, type=kind, subject=subject, data=content, created_at=created_at or "")

    def _finish(self, taking: Taking) -> None:
        """Delete what is stored and let go of the rest. Where that fails the rows come again, and are known then."""
        try:
            taking.end(self._delete)
        except (RetryableError, PermanentError):
            self._remember(taking)
            raise
        if self._stored:
            self._keep([key for key in self._stored if key not in taking.stored])

    def _remember(self, taking: Taking) -> None:
        """What is stored and still in the table."""
        if taking.stored:
            self._keep([*self._stored, *taking.stored])

    def _keep(self, stored: list[str]) -> None:
        self._stored = dict.fromkeys(stored[-MAX_STORED:])
        self._context.cursors.put(self._place, list(self._stored))


class Taking:
    """One transaction: what it has locked and what of that is stored."""

    def __init__(self, answers: list[tuple[Any, ...]], connection: Connection) -> None:
        self.answers = answers
        self.stored: dict[str, int] = {}
        """Event id -> row, of what is stored."""
        self._connection = connection

    def done(self, row: Row) -> None:
        """Its event is stored."""
        self.stored[row.event_id] = row.id

    def end(self, delete: Any) -> None:
        """Delete what is stored, commit."""
        if self.stored:
            self._connection.run(delete, (list(self.stored.values()),), last=True)
        self._connection.run("COMMIT", last=True)
