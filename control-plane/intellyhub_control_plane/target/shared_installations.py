"""Installations of plugins on a cluster: rows, so that whichever pod is asked can tell how far one is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from intellyhub_control_plane.database.advisory import advisory_lock
from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.models.installations import PluginInstallationLog
from intellyhub_control_plane.models.record import now
from intellyhub_control_plane.plugins.installation import KEPT, Installation, Record, make_number, read_lines
from intellyhub_engine.frozen import dataclass

__all__ = ["SharedInstallations"]

PAUSE_SECONDS = 0.5
"""Between two times that the steps are written: an installer tells many."""


@dataclass(frozen=True, kw_only=True)
class SharedInstallations:
    """A tenant's. Whoever is at one holds its lock."""

    database: Database
    tenant_id: str

    @contextmanager
    def begin(self, what: str) -> Iterator[Record]:
        """As `Installations.begin`."""
        number = make_number()
        with advisory_lock(self.database, lock_of(number)):
            writer = Writer(self, number)
            record = Record(number, writer.write)
            record.begin(what)
            try:
                yield record
            finally:
                writer.flush()

    def find(self, number: str) -> Installation | None:
        """As `Installations.find`."""
        with advisory_lock(self.database, lock_of(number)) as idle:
            with self.database.transaction(writing=False) as session:
                row = session.get(PluginInstallationLog, number)
                lines = list(row.lines) if row is not None and row.tenant_id == self.tenant_id else None
            return None if lines is None else read_lines(number, lines, is_idle=idle is not None)


class Writer:
    """Writes the lines of one, all of them each time. Used by whoever is at it."""

    def __init__(self, of: SharedInstallations, number: str) -> None:
        self._of = of
        self._number = number
        self._lines: list[Mapping[str, Any]] = []
        self._written, self._written_at = 0, float("-inf")

    def write(self, line: Mapping[str, Any], *, urgent: bool) -> None:
        """One more line."""
        self._lines.append(line)
        if urgent or time.monotonic() - self._written_at > PAUSE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is not written."""
        if self._written == len(self._lines):
            return
        with self._of.database.transaction() as session:
            if not self._written:
                PluginInstallationLog.forget_old(session, self._of.tenant_id, KEPT - 1)
            lines = [dict(line) for line in self._lines]
            row = PluginInstallationLog(id=self._number, tenant_id=self._of.tenant_id, lines=lines, written_at=now())
            session.merge(row)
        self._written, self._written_at = len(self._lines), time.monotonic()


def lock_of(number: str) -> str:
    """The name of an installation's lock."""
    return f"installation {number}"
