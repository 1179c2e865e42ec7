"""What SQLite's errors mean for a journal: the one place that translates them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from intellyhub_engine.errors import JournalError, JournalFull, JournalUnwritable

__all__ = ["SqliteFaults", "is_busy", "translate"]

_PRIMARY = 0xFF
"""Extended result codes keep the primary one in their low byte: https://sqlite.org/rescode.html."""

_NO_ROOM = frozenset({sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_TRUNCATE})
"""Besides SQLITE_FULL, which SQLite gives for ENOSPC alone: a quota or a limit on file sizes stops a write too."""

_REMEDIES = {
    sqlite3.SQLITE_BUSY: "is locked by another process for too long; end that process or give this one its own journal",
    sqlite3.SQLITE_LOCKED: "is locked by another connection for too long",
    sqlite3.SQLITE_READONLY: "cannot be written; give the user who runs this write access to the file and its folder",
    sqlite3.SQLITE_PERM: "cannot be written; give the user who runs this write access to the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; give the user who runs this write access to the file and its folder",
    sqlite3.SQLITE_NOTADB: "is not a journal; name another file",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a copy, or save what is left with `sqlite3 FILE .recover`",
    sqlite3.SQLITE_IOERR: "cannot be read or written; look at the disk",
}


def translate(fault: sqlite3.Error, path: Path) -> JournalError:
    """The error to raise from `fault`; its message names the file and the remedy."""
    code = getattr(fault, "sqlite_errorcode", 0)
    if code & _PRIMARY == sqlite3.SQLITE_FULL or code in _NO_ROOM:
        return JournalFull(
            f"the journal {path} has no room to grow ({fault}); what was committed is safe. "
            "Free space on its disk, then resume the run"
        )
    if isinstance(fault, sqlite3.ProgrammingError):
        return JournalError(f"the journal {path} is closed")
    remedy = _REMEDIES.get(code & _PRIMARY, "cannot be used")
    return JournalUnwritable(f"the journal {path} {remedy} ({fault})")


def is_busy(fault: sqlite3.Error) -> bool:
    """Whether another process holds what this one needs."""
    return getattr(fault, "sqlite_errorcode", 0) & _PRIMARY in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class SqliteFaults:
    """What errors mean for the journal in one file."""

    kind = sqlite3.Error

    def __init__(self, path: Path) -> None:
        self._path = path

    def translate(self, fault: Exception) -> JournalError:
        """The error to raise."""
        assert isinstance(fault, sqlite3.Error)
        return translate(fault, self._path)

    def is_busy(self, fault: Exception) -> bool:
        """Whether another process holds what this one needs."""
        return isinstance(fault, sqlite3.Error) and is_busy(fault)

    def is_lost(self, fault: Exception) -> bool:
        """Never: a file's transactions are made or not."""
        return False
