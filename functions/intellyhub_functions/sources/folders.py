"""Reads and writes folders without being led elsewhere: a flow may put a link where a folder was, at any moment."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["opened", "write_into"]

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """A descriptor of `folder`, an absolute path without links, opened part by part. Raises OSError: `ENOTDIR` or
    `ELOOP` where a part has become a link."""
    handle = os.open(folder.anchor, FOLDER)
    try:
        for part in folder.parts[1:]:
            inner = os.open(part, FOLDER, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def write_into(folder: Path, name: str, content: bytes) -> None:
    """Put a file into a folder, whole or not at all; never into what a link leads to. Raises OSError."""
    scratch = f".{name[:40]}.{secrets.token_hex(6)}"
    with opened(folder) as handle:
        made = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=handle)
        try:
            with os.fdopen(made, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(made)
            os.replace(scratch, name, src_dir_fd=handle, dst_dir_fd=handle)
        except BaseException:
            os.unlink(scratch, dir_fd=handle)
            raise
