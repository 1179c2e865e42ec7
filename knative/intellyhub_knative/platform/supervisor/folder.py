"""A data folder in use: whose it is, which version made it, and that only one platform works on it."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from intellyhub_engine.errors import EngineError, InputInvalid
from intellyhub_knative.platform.layout import Layout

__all__ = ["FORMAT", "FolderInUse", "Hold", "hold_folder"]

FORMAT = 1
"""The format of the data folder. It rises when an older platform could not read what a newer one wrote."""
VERSION_FILE = "version"
SHARED_LOCK = "processes.lock"
PATIENCE_SECONDS = 15.0
"""How long the processes of a supervisor that was killed may take to end."""
PAUSE_SECONDS = 0.05
IGNORED = frozenset(("lost+found",))


class FolderInUse(EngineError):
    """Another platform runs on this folder; `pid` and `address` are those of its supervisor, where known."""

    def __init__(self, message: str, *, pid: int | None, address: str | None) -> None:
        self.pid = pid
        self.address = address
        super().__init__(message)


class Hold(NamedTuple):
    """A folder that is held."""

    layout: Layout
    lock: int
    """The supervisor's own lock: `Layout.lock`, which ends with it."""
    shared: int
    """The lock that every process inherits, so that the folder is not taken over before the last process of a
    supervisor that was killed has ended."""

    def announce(self, address: str) -> None:
        """Write down who holds it, for the one who comes second."""
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, orjson.dumps({"pid": os.getpid(), "address": address}) + b"\n", 0)


@contextmanager
def hold_folder(data: Path, *, address: str) -> Iterator[Hold]:
    """Make or check the data folder, and hold it against a second platform.
    Raises `FolderInUse`, `InputInvalid`, `OSError`."""
    layout = Layout(data=data.absolute())
    prepare(layout.data)
    with open_lock(layout.lock) as lock, open_lock(layout.data / SHARED_LOCK) as shared:
        if not is_taken(lock):
            raise in_use(layout.data, read_holder(lock))
        hold = Hold(layout, lock, shared)
        hold.announce(address)
        wait_for_predecessors(shared, layout.data)
        check_version(layout.data)
        yield hold


@contextmanager
def open_lock(path: Path) -> Iterator[int]:
    """A lock's file; closing it gives the lock back, unless others have inherited it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def prepare(data: Path) -> None:
    """Make the folder, for its owner only; refuse one that is not ours to use."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise InputInvalid(f"{data} is a file; name a folder with --data") from None
    found = data.stat()
    if found.st_uid != os.geteuid():
        raise InputInvalid(f"{data} belongs to another user; start as that one, or name another folder with --data")
    if stat.S_IMODE(found.st_mode) & stat.S_IWOTH:
        raise InputInvalid(
            f"everyone may write in {data}: what lies there cannot be trusted; take that right away (chmod 700), "
            "or name another folder with --data"
        )
    if not (data / VERSION_FILE).exists() and not (data / "platform.lock").exists():
        strange = next((path.name for path in data.iterdir() if path.name not in IGNORED), None)
        if strange is not None:
            raise InputInvalid(
                f"{data} is not empty ({strange}) and no data folder of IntellyHub; name another one with --data"
            )
    if stat.S_IMODE(found.st_mode) != 0o700:
        data.chmod(0o700)


def check_version(data: Path) -> None:
    """Refuse a folder of a newer platform; mark a new one."""
    path = data / VERSION_FILE
    try:
        written = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        path.write_text(f"{FORMAT}\n", encoding="ascii")
        return
    if not (written.isascii() and written.isdigit()):
        raise InputInvalid(f"{path} does not hold the number of a format: restore the folder from a copy")
    if int(written) > FORMAT:
        raise InputInvalid(
            f"{data} was made by a newer IntellyHub (format {written}; this one knows {FORMAT}): update IntellyHub"
        )


def is_taken(descriptor: int) -> bool:
    """Take a lock, if it is free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_predecessors(shared: int, data: Path) -> None:
    """Until the processes of a supervisor that was killed have ended, as they do by themselves."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_taken(shared):
        if time.monotonic() > deadline:
            raise FolderInUse(
                f"processes of a platform that was ended by force still work on {data}\n"
                f"Look for them with: fuser -v '{data / SHARED_LOCK}'",
                pid=None,
                address=None,
            )
        time.sleep(PAUSE_SECONDS)


def in_use(data: Path, holder: dict[str, Any]) -> FolderInUse:
    """The refusal, with the way out."""
    pid, address = holder.get("pid"), holder.get("address")
    return FolderInUse(
        f"a platform already runs on {data}: process {pid or '(unknown)'}, {address or '(starting)'}\n"
        f"Use that one, stop it{f' (kill {pid})' if pid else ''}, or start another with --data DIR --port PORT.",
        pid=pid,
        address=address,
    )


def read_holder(descriptor: int) -> dict[str, Any]:
    """Who holds the lock, as they wrote it; empty where that cannot be read."""
    try:
        found = orjson.loads(os.pread(descriptor, 4096, 0))
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
