"""The desired state as rows of PostgreSQL, for a platform whose processes share no disk; and what became of it.

`desired_record` holds what the data folder of one machine holds as files: tenants, deployments, texts of flows. The
control plane writes it, every pod has a mirror of it (`mirror.py`). `cluster_status` goes the other way: the reconciler
writes it, the control plane reads it. Both tables are made by the control plane's migrations. A change is told to
everyone who listens, in the transaction that makes it (NOTIFY).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

import orjson
import psycopg2
import psycopg2.extensions

from intellyhub_engine.errors import EngineError, InputInvalid
from intellyhub_engine.serving.readers import postgresql

__all__ = [
    "CHANNEL",
    "Kind",
    "RecordStore",
    "RecordsUnavailable",
    "Row",
    "StatusKind",
    "connect",
    "translated",
]

CHANNEL = "intellyhub_records"
"""Where changes are told; the payload is the table's kind and the id, with a space between."""
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
LONGEST_ID = 400
CONNECT_SECONDS = 5
SESSION = "-c statement_timeout=30000 -c idle_in_transaction_session_timeout=30000"
KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}

_WRITE = """
INSERT INTO {table} AS old (kind, id, document, revision)
VALUES (%s, %s, %s, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
ON CONFLICT (kind, id) DO UPDATE
    SET document = excluded.document, revision = greatest(old.revision + 1, excluded.revision)
    WHERE old.document <> excluded.document
"""
_NOTIFY = "SELECT pg_notify(%s, %s)"

Answer = TypeVar("Answer")


class Kind(StrEnum):
    """What a desired record is; it says where its mirror stands in the data folder."""

    TENANT = "tenant"  # tenants/<id>.json
    DEPLOYMENT = "deployment"  # deployments/<id>.json
    GONE = "gone"  # a tenant that was deleted, by id: what it had on the cluster may go; mirrors leave it out
    FILE = "file"  # the id is the path below the folder: flows/..., plugins/...; `{"text": ...}` or `{"base64": ...}`


class StatusKind(StrEnum):
    """Of what a status is."""

    FLOW = "flow"  # by flow id; mirrored to cluster_status/<id>.json
    TENANT = "tenant"  # by tenant id


class Row(NamedTuple):
    """A record as it stands in the table."""

    kind: str
    id: str
    document: Mapping[str, Any]
    revision: int
    """Rises with every change of the record, also when it was removed in between."""


class RecordsUnavailable(EngineError):
    """The database cannot be asked; nothing was changed, or the same change may be made again."""


class RecordStore:
    """Thread-safe, one connection, made with the first call and again when it was lost. Every method may be repeated.
    Raises `RecordsUnavailable`."""

    def __init__(self, url: str) -> None:
        self._url = libpq_url(url)
        self._lock = threading.Lock()
        self._connection: Any = None

    def write(self, kind: Kind, record_id: str, document: Mapping[str, Any]) -> bool:
        """Put a record; False where it stood there just so. Raises `InputInvalid` for one that is too large."""
        return self._write("desired_record", kind, record_id, document)

    def remove(self, kind: Kind, record_id: str) -> bool:
        """Remove a record; False where there was none."""
        return self._remove("desired_record", kind, record_id)

    def read(self, kind: Kind, record_id: str) -> Mapping[str, Any] | None:
        """One record's document."""
        return self._read("desired_record", kind, record_id)

    def records(self, kind: Kind) -> Mapping[str, Mapping[str, Any]]:
        """All documents of a kind, by id."""
        return self._all("desired_record", kind)

    def ids(self, kind: Kind) -> frozenset[str]:
        """The ids of a kind."""
        rows = self._ask("SELECT id FROM desired_record WHERE kind = %s", (kind.value,))
        return frozenset(record_id for (record_id,) in rows)

    def revision(self) -> int:
        """The highest revision of all records; 0 where there are none."""
        [(revision,)] = self._ask("SELECT coalesce(max(revision), 0) FROM desired_record", ())
        return int(revision)

    def write_status(self, kind: StatusKind, record_id: str, document: Mapping[str, Any]) -> bool:
        """Say what became of something; False where that was said already."""
        return self._write("cluster_status", kind, record_id, document)

    def remove_status(self, kind: StatusKind, record_id: str) -> bool:
        """Say nothing of it any more."""
        return self._remove("cluster_status", kind, record_id)

    def status(self, kind: StatusKind, record_id: str) -> Mapping[str, Any] | None:
        """What became of it; None where nothing is said."""
        return self._read("cluster_status", kind, record_id)

    def statuses(self, kind: StatusKind) -> Mapping[str, Mapping[str, Any]]:
        """What is said of all of a kind, by id."""
        return self._all("cluster_status", kind)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def _write(self, table: str, kind: StrEnum, record_id: str, document: Mapping[str, Any]) -> bool:
        if not record_id or len(record_id) > LONGEST_ID or not re.fullmatch(r"[\x21-\x7e]+", record_id):
            raise InputInvalid(f"{record_id[:100]!r} cannot be the id of a record")
        encoded = orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()
        if len(encoded) > MAX_DOCUMENT_BYTES:
            raise InputInvalid(
                f"the {kind.value} {record_id} takes {len(encoded):,} bytes as a record; "
                f"{MAX_DOCUMENT_BYTES:,} are allowed"
            )

        def perform(cursor: Any) -> bool:
            cursor.execute(_WRITE.format(table=table), (kind.value, record_id, encoded))
            if cursor.rowcount:
                cursor.execute(_NOTIFY, (CHANNEL, f"{table} {kind.value} {record_id}"))
            return bool(cursor.rowcount)

        return self._perform(perform)

    def _remove(self, table: str, kind: StrEnum, record_id: str) -> bool:
        def perform(cursor: Any) -> bool:
            cursor.execute(f"DELETE FROM {table} WHERE kind = %s AND id = %s", (kind.value, record_id))  # noqa: S608
            if cursor.rowcount:
                cursor.execute(_NOTIFY, (CHANNEL, f"{table} {kind.value} {record_id}"))
            return bool(cursor.rowcount)

        return self._perform(perform)

    def _read(self, table: str, kind: StrEnum, record_id: str) -> Mapping[str, Any] | None:
        rows = self._ask(f"SELECT document FROM {table} WHERE kind = %s AND id = %s", (kind.value, record_id))  # noqa: S608
        return orjson.loads(rows[0][0]) if rows else None

    def _all(self, table: str, kind: StrEnum) -> Mapping[str, Mapping[str, Any]]:
        rows = self._ask(f"SELECT id, document FROM {table} WHERE kind = %s ORDER BY id", (kind.value,))  # noqa: S608
        return {record_id: orjson.loads(document) for record_id, document in rows}

    def _ask(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        def perform(cursor: Any) -> list[Any]:
            cursor.execute(statement, values)
            rows: list[Any] = cursor.fetchall()
            return rows

        return self._perform(perform)

    def _perform(self, perform: Callable[[Any], Answer]) -> Answer:
        """In one transaction; once more where the connection turns out to be gone, as all of it may be repeated."""
        with self._lock, translated():
            if self._connection is not None:
                try:
                    return self._transact(perform)
                except psycopg2.Error:
                    if self._connection is not None:
                        raise
            self._connection = connect(self._url)
            return self._transact(perform)

    def _transact(self, perform: Callable[[Any], Answer]) -> Answer:
        try:
            with self._connection, self._connection.cursor() as cursor:
                return perform(cursor)
        except BaseException as fault:
            if self._connection.closed or is_broken(fault):
                self._drop()
            raise

    def _drop(self) -> None:
        dropped, self._connection = self._connection, None
        if dropped is not None:
            with suppress(psycopg2.Error):
                dropped.close()


def is_broken(fault: BaseException) -> bool:
    """Whether it is the connection's, though psycopg2 may not have noted yet that it is closed: the server sends codes
    with its own."""
    kinds = (psycopg2.DatabaseError, psycopg2.OperationalError)
    return type(fault) in kinds and getattr(fault, "pgcode", None) is None


def connect(url: str) -> Any:
    """A connection that notices when the other end is gone. Raises psycopg2's errors."""
    return psycopg2.connect(libpq_url(url), connect_timeout=CONNECT_SECONDS, options=SESSION, **KEEPALIVE)


def libpq_url(url: str) -> str:
    """The address as PostgreSQL's own library writes it. Raises `InputInvalid`."""
    try:
        return postgresql(url)
    except ValueError as fault:
        raise InputInvalid(f"the platform's database {fault}") from None


@contextmanager
def translated() -> Iterator[None]:
    """psycopg2's errors leave as `RecordsUnavailable`, without the address, which holds a password."""
    try:
        yield
    except psycopg2.Error as fault:
        reason = " ".join(str(fault).split())[:300] or type(fault).__name__
        raise RecordsUnavailable(f"the platform's database cannot be used: {reason}") from fault
