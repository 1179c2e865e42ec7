"""Records as files: one JSON document each, replaced whole and durably, watched by the processes that act on them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

__all__ = [
    "is_written",
    "known_fields",
    "read_record",
    "read_records",
    "record_names",
    "record_path",
    "remove_record",
    "sync_folder",
    "write_record",
]

SUFFIX = ".json"


def record_path(folder: Path, name: str) -> Path:
    """The file of a record."""
    return folder / (name + SUFFIX)


def write_record(folder: Path, name: str, document: Mapping[str, Any]) -> None:
    """Put a document in the place of the record `name`: a reader sees the old one or the new one, also after a power
    cut. Raises `OSError` (a full disk among others), and then the old one stands."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = folder / f".{name}.{secrets.token_hex(4)}"
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(encode(document))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(record_path(folder, name))
    except BaseException:
        with suppress(OSError):
            scratch.unlink()
        raise
    sync_folder(folder)


def is_written(folder: Path, name: str, document: Mapping[str, Any]) -> bool:
    """Whether the record stands there just so."""
    with suppress(OSError):
        return record_path(folder, name).read_bytes() == encode(document)
    return False


def remove_record(folder: Path, name: str) -> None:
    """Take the record away, durably. Nothing happens where there is none."""
    with suppress(FileNotFoundError):
        record_path(folder, name).unlink()
        sync_folder(folder)


def record_names(folder: Path) -> list[str]:
    """Every record's name, in order; none where there is no folder."""
    return sorted(path.name.removesuffix(SUFFIX) for path in folder.glob("[!.]*" + SUFFIX))


def read_record(folder: Path, name: str) -> Any:
    """One record's document. Raises `OSError`, and `ValueError` for one that is damaged."""
    return orjson.loads(record_path(folder, name).read_bytes())


def read_records(folder: Path) -> Iterator[Any]:
    """Every record's document, in the order of names. One that vanishes meanwhile is left out."""
    for name in record_names(folder):
        with suppress(FileNotFoundError):
            yield read_record(folder, name)


def encode(document: Mapping[str, Any]) -> bytes:
    """As it stands in a file, for a person to read."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def known_fields(kind: type, document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a class that a document gives; keys of newer versions are left out."""
    return {name: value for name, value in document.items() if name in kind.__annotations__}


def sync_folder(folder: Path) -> None:
    """Make a rename or a removal durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
