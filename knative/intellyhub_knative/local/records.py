"""Records as files: one JSON document each, replaced whole and durably, watched by the processes that act on them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["read_records", "remove_record", "write_record"]

SUFFIX = ".json"


def write_record(folder: Path, name: str, content: bytes) -> None:
    """Put `content` in the place of the record `name`: a reader sees the old one or the new one, also after a power
    cut. Raises `OSError` (a full disk among others), and then the old one stands."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = folder / f".{name}.{secrets.token_hex(4)}"
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(folder / (name + SUFFIX))
    except BaseException:
        with suppress(OSError):
            scratch.unlink()
        raise
    sync_folder(folder)


def remove_record(folder: Path, name: str) -> None:
    """Take the record away, durably. Nothing happens where there is none."""
    with suppress(FileNotFoundError):
        (folder / (name + SUFFIX)).unlink()
        sync_folder(folder)


def read_records(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every record: (name, content), in the order of names. One that vanishes meanwhile is left out."""
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("[!.]*" + SUFFIX)):
        with suppress(FileNotFoundError):
            yield path.name.removesuffix(SUFFIX), path.read_bytes()


def sync_folder(folder: Path) -> None:
    """Make a rename or a removal durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
