"""Opens folders without being led elsewhere: a flow may put a link where a folder was, at any moment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PASSAGE", "opened"]

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
PASSAGE = FOLDER | getattr(os, "O_PATH", 0)
"""A folder on the way to a file is not read: behind walls that may be forbidden."""


@contextmanager
def opened(folder: Path, flags: int = FOLDER) -> Iterator[int]:
    """A descriptor of `folder`, an absolute path without links, opened part by part; to read it, or as a `PASSAGE` to
    what is in it. Raises OSError: `ENOTDIR` or `ELOOP` where a part has become a link."""
    handle = os.open(folder.anchor, PASSAGE if folder.parts[1:] else flags)
    try:
        for depth, part in enumerate(folder.parts[1:], 2):
            inner = os.open(part, flags if depth == len(folder.parts) else PASSAGE, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)
