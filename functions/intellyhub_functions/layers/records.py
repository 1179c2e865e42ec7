"""JSON files that several processes share: held while one changes them, and replaced as a whole."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["held", "record_text", "replace_record"]


@contextmanager
def held(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock's file, made where it is not there; whether it is held. Without `wait` it may be another's."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def record_text(record: Mapping[str, Any]) -> str:
    """A record as it stands in its file. Pure."""
    return json.dumps(record, indent=1, sort_keys=True) + "\n"


def replace_record(path: Path, record: Mapping[str, Any]) -> None:
    """Put a record in the place of the one before: who reads sees one or the other, also after a crash."""
    scratch = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    with scratch.open("w") as file:
        file.write(record_text(record))
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
