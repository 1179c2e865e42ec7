"""Where sources keep their place on disk: one small JSON file per key, replaced whole and synced."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import JournalError, JournalFull, JournalUnwritable

__all__ = ["FileCursors"]

NO_ROOM = (28, 122)  # ENOSPC, EDQUOT


class FileCursors:
    """The cursors of one flow's sources, in `folder`; satisfies `machine.source.Cursors`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Any:
        """What was last put under `key`; None at the first contact. Raises JournalError for a damaged file."""
        path = self._path(key)
        try:
            return json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as fault:
            raise JournalError(f"the cursor {path} cannot be read: {fault}; remove it to start over") from fault

    def put(self, key: str, value: Any) -> None:
        """Keep `value`; returns when it is on the disk. Raises JournalFull or JournalUnwritable."""
        path = self._path(key)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace(path, json.dumps(value).encode())
        except OSError as fault:
            kind = JournalFull if fault.errno in NO_ROOM else JournalUnwritable
            raise kind(f"the cursor {path} cannot be written: {fault.strerror}") from fault

    def _path(self, key: str) -> Path:
        readable = re.sub(r"[^A-Za-z0-9]+", "-", key)[:40].strip("-")
        return self._folder / f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.json"


def replace(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves either the old content or the new."""
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=".cursor-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
