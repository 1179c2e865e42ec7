"""A connection to PostgreSQL that is used as `sqlite3`'s: see `intellyhub_engine.journal.sql`.

Each conversation with the server costs a round trip, so what can go together does: `BEGIN` goes with the statement
after it, many rows of `executemany` go at once. Several statements in one message are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg2
import psycopg2.extensions

from intellyhub_engine.journal.sql import Connection, Cursor
from intellyhub_knative.platform.journal.postgres.dialect import bind, translate
from intellyhub_knative.platform.journal.postgres.faults import PostgresFaults, is_end, reason_of
from intellyhub_knative.platform.journal.postgres.tables import SCHEMA
from intellyhub_knative.platform.journal.store import DatabaseLost

__all__ = ["NowConnection", "PgConnection", "Readers", "dial"]

Answer = TypeVar("Answer")

_CONNECT_SECONDS = 5
_SESSION = {
    "search_path": SCHEMA,
    "synchronous_commit": "on",
    "statement_timeout": "120s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
    "standard_conforming_strings": "on",
    # The server too must find out that we are gone, or our lock would outlive us by hours.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15s",
}
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}
_PAGE_BYTES = 1024 * 1024
"""Of statements that go together."""
_STREAMED_ROWS = 32
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
_BYTES = psycopg2.extensions.new_type(
    psycopg2.BINARY.values, "JOURNAL_BYTES", lambda value, cursor: value and bytes(psycopg2.BINARY(value, cursor))
)


def dial(url: str) -> Any:
    """A session of psycopg2's in which each statement is a transaction of its own. Raises psycopg2's errors."""
    options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    raw = psycopg2.connect(
        url, connect_timeout=_CONNECT_SECONDS, options=options, application_name="intellyhub-journal", **_KEEPALIVE
    )
    raw.autocommit = True
    psycopg2.extensions.register_type(_BYTES, raw)
    return raw


class PgConnection:
    """Used by one thread at a time. Raises psycopg2's errors, and `DatabaseLost` where the session is at its end.

    `fence` goes before every transaction: a statement that fails where this service no longer owns the journal.
    `streams`: bodies are fetched a few at a time, as they are asked for, inside of `BEGIN`.
    """

    def __init__(self, raw: Any, *, begin: str = "BEGIN;", fence: str = "", streams: bool = False) -> None:
        self._raw = raw
        self._begin = begin
        self._fence = fence
        self._streams = streams
        self._declared = 0
        self._is_begun = False
        self._is_open = False
        """`BEGIN` has reached the server."""

    @property
    def in_transaction(self) -> bool:
        """Whether there was a `BEGIN`."""
        return self._is_begun

    @property
    def is_lost(self) -> bool:
        """Whether the session is at its end."""
        return bool(self._raw.closed)

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Cursor:
        """Execute a statement of SQLite's."""
        translated = translate(statement)
        if translated == "BEGIN":
            self._is_begun = True
            return self._raw.cursor()  # type: ignore[no-any-return]
        if translated == "COMMIT":
            return self._commit()
        if translated == "SELECT 0":
            return Constant()
        if self._streams and self._is_begun and "convert_to(" in translated:
            return self._declare(translated, values)
        return self._send(translated, bind(translated, values))

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Cursor:
        """Execute a statement for each row, many in one message."""
        translated = translate(statement)
        cursor = self._raw.cursor()
        page: list[bytes] = []
        size = 0
        for row in rows:
            one = cursor.mogrify(translated, bind(translated, row))
            if page and size + len(one) > _PAGE_BYTES:
                self._send(b";".join(page), None)
                page, size = [], 0
            page.append(one)
            size += len(one)
        return self._send(b";".join(page), None) if page else cursor

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        was_open, self._is_begun, self._is_open = self._is_open, False, False
        if was_open and not self._raw.closed:
            with suppress(psycopg2.Error):  # a session that cannot even do that is lost; the next statement says so
                self._raw.cursor().execute("ROLLBACK")

    def close(self) -> None:
        """Close."""
        with suppress(psycopg2.Error):
            self._raw.close()

    def _commit(self) -> Cursor:
        cursor: Cursor = self._raw.cursor() if not self._is_open else self._send("COMMIT", None)
        self._is_begun = self._is_open = False
        return cursor

    def _declare(self, statement: str, values: Sequence[Any]) -> Cursor:
        self._declared += 1
        name = f"stream{self._declared}"
        fetch = f";FETCH FORWARD {_STREAMED_ROWS} FROM {name}"
        first = self._send(f"DECLARE {name} NO SCROLL CURSOR FOR {statement}{fetch}", bind(statement, values))
        return Stream(first, lambda: self._send(fetch[1:], None))

    def _send(self, statement: str | bytes, values: Any) -> Cursor:
        before = ""
        if not self._is_open:
            before = (self._begin if self._is_begun else "") + self._fence
        try:
            cursor = self._raw.cursor()
            cursor.execute(before.encode() + statement if isinstance(statement, bytes) else before + statement, values)
        except psycopg2.Error as fault:
            self._is_open = self._is_begun
            if self._raw.closed or is_end(fault):
                self.close()
                raise DatabaseLost(f"the journal's database is lost: {reason_of(fault)}") from fault
            raise
        self._is_open = self._is_begun
        return cursor  # type: ignore[no-any-return]


class Constant:
    """The answer to a question that need not be asked."""

    rowcount = 1

    def fetchone(self) -> Any:
        """Nothing, as a number."""
        return (0,)

    def fetchall(self) -> list[Any]:
        """One row."""
        return [(0,)]

    def __iter__(self) -> Iterator[Any]:
        return iter([(0,)])


class Stream:
    """Rows that are fetched as they are asked for."""

    rowcount = -1

    def __init__(self, page: Cursor, fetch: Callable[[], Cursor]) -> None:
        self._rows = self._pages(page, fetch)

    def fetchone(self) -> Any:
        """The next row; None behind the last."""
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def _pages(self, page: Cursor, fetch: Callable[[], Cursor]) -> Iterator[Any]:
        while rows := page.fetchall():
            yield from rows
            if len(rows) < _STREAMED_ROWS:
                return
            page = fetch()


class NowConnection(PgConnection):
    """For short questions, each by itself; a session that was lost between two is made again."""

    def __init__(self, url: str) -> None:
        super().__init__(dial(url))
        self._url = url

    def _send(self, statement: str | bytes, values: Any) -> Cursor:
        try:
            return super()._send(statement, values)
        except DatabaseLost:
            self._raw = dial_again(self._url)
            return super()._send(statement, values)


class Readers:
    """Sessions for reading, one per thread that reads at the same moment. Raises `DatabaseLost`,
    `JournalUnwritable`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[PgConnection] = []
        self._faults = PostgresFaults()

    def ask(self, question: Callable[[Connection], Answer]) -> Answer:
        """The answer to a question, which sees one unchanging state. It is asked again where the session was lost while
        nobody used it."""
        try:
            idle = self._idle.pop()
        except IndexError:
            pass
        else:
            with suppress(DatabaseLost):
                return self._ask(question, idle)
        return self._ask(question, self._open())

    def close(self) -> None:
        """Close those not in use."""
        while self._idle:
            self._idle.pop().close()

    def _ask(self, question: Callable[[Connection], Answer], connection: PgConnection) -> Answer:
        try:
            with self._translated():
                connection.execute("BEGIN")
                return question(connection)
        finally:
            connection.rollback()
            if not connection.is_lost:
                self._idle.append(connection)

    def _open(self) -> PgConnection:
        with self._translated():
            return PgConnection(dial_again(self._url), begin=_SNAPSHOT, streams=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg2.Error as fault:
            raise self._faults.translate(fault) from fault


def dial_again(url: str) -> Any:
    """Another session for a service that has one. Raises `DatabaseLost` where the server is gone."""
    try:
        return dial(url)
    except psycopg2.OperationalError as fault:
        if fault.pgcode is None and "too many" not in str(fault) and "remaining connection" not in str(fault):
            raise DatabaseLost(f"the journal's database is lost: {reason_of(fault)}") from fault
        raise
