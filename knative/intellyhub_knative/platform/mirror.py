"""The desired state of a cluster's platform in this pod's own data folder, as it stands in PostgreSQL.

Whoever watches folders on one machine watches them here too: the same files, replaced whole. Changes come by LISTEN at
once; every 30 seconds, and after each reconnection, all of it is compared, so that nothing is missed for longer. While
the database is away the folder stays as it is. A mirror removes what has no row: among tenants and deployments
whatever that is, among other files those that a mirror has made.
"""

from __future__ import annotations

import base64
import logging
import os
import re
import select
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import psycopg2

from intellyhub_engine.errors import EngineError
from intellyhub_knative.platform.desired_records import CHANNEL, Kind, StatusKind, connect
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.records import (
    is_written,
    read_record,
    record_names,
    remove_record,
    sync_folder,
    write_record,
)
from intellyhub_knative.platform.service import DATABASE_URL

__all__ = ["Mirror", "start_mirror"]

LOG = logging.getLogger(__name__)

REREAD_SECONDS = 30.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
OLD_ENOUGH_SECONDS = 5.0
"""How long a pod whose folder was a mirror before waits for the database before it goes on with that."""
SAID_SECONDS = 30.0
STATE = "mirror"
"""The record, in the data folder, of what this mirror has made: `{revisions: {table kind id: revision}}`."""
RECORD_ID = re.compile("[0-9A-Za-z_][0-9A-Za-z_-]{0,99}")
FILE_ID = re.compile(r"(flows|plugins|programs)(/[A-Za-z0-9_][A-Za-z0-9._-]*){1,8}")

_LIST = (
    "SELECT 'desired_record', kind, id, revision FROM desired_record"
    " UNION ALL SELECT 'cluster_status', kind, id, revision FROM cluster_status"
)
Name = tuple[str, str, str]
"""Table, kind, id."""


class Mirror:
    """A thread of its own. `close` ends it."""

    def __init__(self, url: str, layout: Layout) -> None:
        self._url = url
        self._layout = layout
        self._revisions: dict[Name, int] = {}
        self._stop = threading.Event()
        self._bell, self._hand = os.pipe()
        self._current = threading.Event()
        self.current_at: float | None = None
        """`time.time()` when all of it was last known to agree."""
        self._thread = threading.Thread(target=self._keep, name="mirror", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._remember()
        self._thread.start()

    def await_current(self, seconds: float | None = None) -> bool:
        """Until the folder has agreed with the database once; False where it did not in time."""
        return self._current.wait(seconds)

    @property
    def complete(self) -> bool:
        """Whether this process has seen all of the database at least once: what has no file has no record then."""
        return self._current.is_set()

    @property
    def was_one(self) -> bool:
        """Whether the folder was a mirror before this process began."""
        return bool(self._revisions)

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        os.write(self._hand, b"x")
        if self._thread.ident is not None:
            self._thread.join()
        os.close(self._bell)
        os.close(self._hand)

    def _keep(self) -> None:
        pause, said_at = FIRST_PAUSE_SECONDS, float("-inf")
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._follow()
            except (psycopg2.Error, OSError, ValueError, EngineError) as fault:
                if time.monotonic() - said_at > SAID_SECONDS:
                    said_at = time.monotonic()
                    LOG.warning("the desired state stays as it is: %s", " ".join(str(fault).split())[:300])
            except Exception:  # a thread has nobody above it; the next round may find better rows
                LOG.exception("the mirror of the desired state begins again")
            pause = FIRST_PAUSE_SECONDS if time.monotonic() - began > REREAD_SECONDS else pause
            self._stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _follow(self) -> None:
        connection = connect(self._url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
                while not self._stop.is_set():
                    self._compare(cursor)
                    self._listen(connection, cursor, time.monotonic() + REREAD_SECONDS)
        finally:
            connection.close()

    def _listen(self, connection: Any, cursor: Any, until: float) -> None:
        while not self._stop.is_set() and (left := until - time.monotonic()) > 0:
            if not connection.notifies:  # what came with the answer to a question is not announced again
                poll = select.poll()  # `select` takes no descriptor above 1023, and a gateway has many
                poll.register(connection.fileno(), select.POLLIN)
                poll.register(self._bell, select.POLLIN)
                if connection.fileno() in dict(poll.poll(left * 1000)):
                    connection.poll()
            told = {tuple(notice.payload.split(" ", 2)) for notice in connection.notifies}
            connection.notifies.clear()
            self._take(cursor, [name for name in told if len(name) == 3])

    def _compare(self, cursor: Any) -> None:
        """Bring everything into agreement; what has not changed is not read."""
        cursor.execute(_LIST)
        standing = {(table, kind, record_id): revision for table, kind, record_id, revision in cursor.fetchall()}
        present = {(table, kind, name) for folder, table, kind in self._folders() for name in record_names(folder)}
        for name in list(self._revisions):
            if self._folder_of(*name[:2]) is not None and name not in present:
                del self._revisions[name]  # somebody took the file away
        changed = [name for name, revision in standing.items() if self._revisions.get(name) != revision]
        self._take(cursor, changed)
        for name in {*self._revisions, *present} - standing.keys():
            self._settle(name, None)
        self._write_state()
        self.current_at = time.time()
        self._current.set()

    def _take(self, cursor: Any, names: Iterable[Name]) -> None:
        for name in sorted(names, key=lambda name: name[1] != Kind.FILE):  # before the records that name them
            table, kind, record_id = name
            if table not in {"desired_record", "cluster_status"}:
                continue
            cursor.execute(f"SELECT document, revision FROM {table} WHERE kind = %s AND id = %s", (kind, record_id))  # noqa: S608
            self._settle(name, cursor.fetchone())

    def _settle(self, name: Name, row: tuple[str, int] | None) -> None:
        """Make one file as its row says; one that cannot be so keeps no other from its place."""
        try:
            if row is None:
                self._remove(name)
            else:
                self._put(name, document_of(row[0]))
        except (ValueError, OSError) as fault:
            LOG.warning("the %s %s is left as it was: %s", *name[1:], fault)
            if isinstance(fault, OSError):
                return  # the next comparison may find room
        if row is None:
            self._revisions.pop(name, None)
        else:
            self._revisions[name] = row[1]

    def _put(self, name: Name, document: Mapping[str, Any]) -> None:
        table, kind, record_id = name
        folder = self._folder_of(table, kind)
        if folder is not None:
            if not is_written(folder, name_of(record_id), document):
                write_record(folder, record_id, document)
        elif (path := self._file_of(name)) is not None:
            put_file(path, content_of(document))

    def _remove(self, name: Name) -> None:
        table, kind, record_id = name
        folder = self._folder_of(table, kind)
        if folder is not None:
            remove_record(folder, name_of(record_id))
        elif name in self._revisions and (path := self._file_of(name)) is not None:
            path.unlink(missing_ok=True)

    def _folders(self) -> list[tuple[Path, str, str]]:
        layout = self._layout
        return [
            (layout.tenants, "desired_record", Kind.TENANT.value),
            (layout.deployments, "desired_record", Kind.DEPLOYMENT.value),
            (layout.cluster_status, "cluster_status", StatusKind.FLOW.value),
        ]

    def _folder_of(self, table: str, kind: str) -> Path | None:
        return next((folder for folder, of, kept in self._folders() if (of, kept) == (table, kind)), None)

    def _file_of(self, name: Name) -> Path | None:
        """Where a file stands; None for what is no file. Raises `ValueError` for a path that leads elsewhere."""
        table, kind, record_id = name
        if (table, kind) != ("desired_record", Kind.FILE.value):
            return None
        if not FILE_ID.fullmatch(record_id):
            raise ValueError("files of records lie below flows, plugins or programs")
        return self._layout.data / record_id

    def _remember(self) -> None:
        with suppress(OSError, ValueError, KeyError, AttributeError, TypeError):
            kept = read_record(self._layout.data, STATE)["revisions"]
            for name, revision in kept.items():
                table, kind, record_id = name.split(" ", 2)
                self._revisions[table, kind, record_id] = int(revision)

    def _write_state(self) -> None:
        document = {"revisions": {" ".join(name): revision for name, revision in self._revisions.items()}}
        if not is_written(self._layout.data, STATE, document):
            write_record(self._layout.data, STATE, document)


def start_mirror(environment: Mapping[str, str], layout: Layout) -> Mirror | None:
    """Make this pod's folder a mirror, where the variable says so, and return when it agrees with the database; where
    it was a mirror before, it may go on with that when the database is away."""
    url = environment.get(DATABASE_URL)
    if not url:
        return None
    mirror = Mirror(url, layout)
    mirror.start()
    if not mirror.await_current(OLD_ENOUGH_SECONDS) and not mirror.was_one:
        LOG.warning("waiting for the platform's database: nothing is known of what is to run")
        mirror.await_current()
    return mirror


def name_of(record_id: str) -> str:
    """The name of a record's file. Raises `ValueError` for an id that could lead elsewhere."""
    if not RECORD_ID.fullmatch(record_id):
        raise ValueError(f"{record_id[:100]!r} is not an id")
    return record_id


def document_of(text: str) -> Mapping[str, Any]:
    """What a row holds. Raises `ValueError` for what is no JSON object."""
    document = orjson.loads(text)
    if not isinstance(document, dict):
        raise ValueError("a record is a JSON object")  # noqa: TRY004 - as for every other text that is no record
    return document


def content_of(document: Mapping[str, Any]) -> bytes:
    """What stands in a file. Raises `ValueError` for a record that says nothing of it."""
    if isinstance(text := document.get("text"), str):
        return text.encode()
    if isinstance(encoded := document.get("base64"), str):
        return base64.b64decode(encoded)
    raise ValueError("a file's record has neither text nor base64")


def put_file(path: Path, content: bytes) -> None:
    """Put a file in its place, whole."""
    with suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        scratch.write_bytes(content)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
