"""A tenant's plugins on a cluster: rows that every pod of the platform mirrors into its own folder."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from intellyhub_control_plane.database.advisory import advisory_lock
from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.errors import NotNow, Unreachable
from intellyhub_control_plane.plugins.files import Files, pack
from intellyhub_control_plane.plugins.store import LOCKS
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.plugins.beside import INDEX
from intellyhub_knative.platform.desired_records import Kind, RecordStore, RecordsUnavailable
from intellyhub_knative.platform.mirror import content_of, put_file

__all__ = ["SharedPlugins"]

WAIT_SECONDS = 300.0
"""As long as packages may take to be resolved and installed: somebody else may be at that."""


@dataclass(frozen=True, kw_only=True)
class SharedPlugins:
    """As promised by `Keeping`. Raises `Unreachable` where the database cannot be asked; then the others have nothing
    new."""

    records: RecordStore
    database: Database
    folder: Path
    """Of the store, in this pod."""
    name: str
    """What the ids of its rows begin with: the folder's path below the data folder."""

    @contextmanager
    def turn(self) -> Iterator[SharedTurn]:
        """Holds PostgreSQL's lock of this store. Raises `NotNow` where another pod has it all the time."""
        with reached(), advisory_lock(self.database, self.name, wait_seconds=WAIT_SECONDS) as connection:
            if connection is None:
                raise NotNow("another plugin of the organisation is being installed; try again when that is done")
            self._refresh()
            yield SharedTurn(shared=self, connection=connection)

    def _refresh(self) -> None:
        """The mirror may be a moment behind."""
        for name in (INDEX, LOCKS):
            document = self.records.read(Kind.FILE, f"{self.name}/{name}")
            if document is None:
                (self.folder / name).unlink(missing_ok=True)
            else:
                put_file(self.folder / name, content_of(document))


@dataclass(frozen=True, kw_only=True)
class SharedTurn:
    """As promised by `Turn`."""

    shared: SharedPlugins
    connection: Connection

    def keep(self, name: str, content: bytes) -> None:
        """Write its row, as long as the lock is held."""
        self._write(name, {"text": content.decode()})

    def keep_plugin(self, name: str, files: Files) -> None:
        """Write its row. Raises `InputInvalid` for a plugin that is too large for one."""
        self._write(name, {"base64": base64.b64encode(pack(files)).decode()})

    def drop(self, name: str) -> None:
        """Remove its row; mirrors remove the file, and nobody misses it."""
        self.shared.records.remove(Kind.FILE, f"{self.shared.name}/{name}")

    def _write(self, name: str, document: dict[str, str]) -> None:
        self.connection.execute(text("SELECT 1"))  # it raises where the lock is gone
        self.shared.records.write(Kind.FILE, f"{self.shared.name}/{name}", document)


@contextmanager
def reached() -> Iterator[None]:
    """A database that cannot be asked is a part of the platform that is not there."""
    try:
        yield
    except (RecordsUnavailable, SQLAlchemyError) as fault:
        raise Unreachable("database", "plugins cannot be changed while it is away") from fault
