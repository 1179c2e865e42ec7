"""Reads and writes files that a crash cannot leave half done, and that no link leads elsewhere. Paths are those that
`place` has found: absolute, without links."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from pathlib import Path
from typing import BinaryIO

from intellyhub_functions.files.folders import PASSAGE, opened

__all__ = ["append_once", "read_up_to", "write_whole"]

LAST_APPEND = "user.intellyhub.append"
"""The file attribute that holds the key of the last append and the length before it."""
SAFELY = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
"""Without waiting for a pipe's other end, and where the path itself leads."""
NO_ATTRIBUTES = (errno.ENOTSUP, errno.EPERM, errno.ENOSPC, errno.E2BIG)


def read_up_to(path: Path, limit: int) -> bytes:
    """The first bytes of a regular file. Raises OSError, also for pipes and devices, which have no end."""
    with opened(path.parent, PASSAGE) as folder:
        handle = os.open(path.name or ".", os.O_RDONLY | SAFELY, dir_fd=folder)
    with os.fdopen(handle, "rb") as file:
        kind = os.fstat(handle).st_mode
        if not stat.S_ISREG(kind):
            code = errno.EISDIR if stat.S_ISDIR(kind) else errno.EINVAL
            raise OSError(code, os.strerror(code) if code == errno.EISDIR else "it is no regular file")
        return file.read(limit)


def write_whole(path: Path, content: bytes) -> None:
    """Replace or make a file, and the folders above it; after a crash it holds the old content or the new.

    A file that was there keeps its permissions.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = f".{path.name[:40]}.{secrets.token_hex(6)}"
    with opened(path.parent, PASSAGE) as folder:
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFELY, 0o666, dir_fd=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                keep_permissions(path.name, folder, handle)
                file.write(content)
                file.flush()
                os.fsync(handle)
            os.replace(scratch, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(scratch, dir_fd=folder)
            raise


def keep_permissions(name: str, folder: int, handle: int) -> None:
    """Give a new file those of the one that it will replace."""
    with contextlib.suppress(FileNotFoundError):
        before = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISREG(before):
            os.fchmod(handle, stat.S_IMODE(before))


def append_once(path: Path, content: bytes, key: str) -> None:
    """Append; a repetition with the same `key` completes what the first one had begun and adds nothing else.

    The key and the length before the append are an attribute of the file. Where the file system keeps none, or others
    appended in between, a repetition appends again. Appends of several runs to one file wait for each other.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened(path.parent, PASSAGE) as folder:
        handle = os.open(path.name, os.O_RDWR | os.O_APPEND | os.O_CREAT | SAFELY, 0o666, dir_fd=folder)
    with os.fdopen(handle, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(content[already_there(file, content, key) :])
        file.flush()
        os.fsync(file.fileno())


def already_there(file: BinaryIO, content: bytes, key: str) -> int:
    """How many of the content's first bytes an earlier try with this key has written; notes the key at the first."""
    length = file.seek(0, os.SEEK_END)
    if not hasattr(os, "setxattr"):  # macOS
        return 0
    before = length_before(file, key)
    if before is None:
        note(file, f"{length} {key}".encode())
        return 0
    file.seek(before)
    tail = file.read(len(content))
    return len(tail) if content.startswith(tail) else 0


def length_before(file: BinaryIO, key: str) -> int | None:
    """The length before the append with this key; None when the last append had another."""
    try:
        length, _, last = os.getxattr(file.fileno(), LAST_APPEND).decode().partition(" ")
    except OSError as fault:
        if fault.errno in (errno.ENODATA, *NO_ATTRIBUTES):
            return None
        raise
    return int(length) if last == key else None


def note(file: BinaryIO, value: bytes) -> None:
    try:
        os.setxattr(file.fileno(), LAST_APPEND, value)
    except OSError as fault:
        if fault.errno not in NO_ATTRIBUTES:
            raise
