"""How much a workspace may hold. No wall that needs no root counts that: it is looked at from outside, now and then.

Who is above the limit can delete and read, but not write: `stop_writing` for workers that run, a `Cell` with
`file_bytes=0` for those that are started. What is written between two looks is not counted in time.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from intellyhub_engine.walls import kernel, seccomp

__all__ = ["measure", "stop_writing"]

BLOCK_BYTES = 512
"""The unit of st_blocks, whatever the file system's own (stat(2))."""
SET_USER, SET_GROUP = (117, 147), (119, 149)
"""The system calls, by processor: the C library's functions would change every thread."""
LEAST_BYTES = 4096
"""What each file and folder counts at least: an empty one takes room too."""


def measure(workspace: Path, limit_bytes: int) -> int:
    """The room that the files of a workspace take on the disk, in bytes; counting ends above the limit. Links are not
    followed. About 8 microseconds a file; what vanishes meanwhile counts nothing."""
    total = 0
    folders = [os.fspath(workspace)]
    while folders and total <= limit_bytes:
        for entry in entries(folders.pop()):
            with suppress(OSError):
                total += max(entry.stat(follow_symlinks=False).st_blocks * BLOCK_BYTES, LEAST_BYTES)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif total > limit_bytes:
                    break
    return total


def entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """What a folder holds; nothing where it is gone or closed to us."""
    with suppress(OSError), os.scandir(folder) as found:
        yield from found


def stop_writing(pid: int) -> None:
    """Take from a worker and all that descends from it the right to make files larger, for good: writing fails with
    EFBIG. Raises `OSError` where it belongs to somebody else."""
    owner = find_user(pid)
    if owner == os.geteuid():
        limit_family(pid)
        return
    faults: list[OSError] = []
    thread = threading.Thread(target=limit_as, args=(owner, pid, faults))
    thread.start()
    thread.join()
    if faults:
        raise faults[0]


def limit_as(user: int, pid: int, faults: list[OSError]) -> None:
    """The same as another user, which this thread alone becomes: root may do it to others only with CAP_SYS_RESOURCE,
    which it has not everywhere. The thread ends with this."""
    try:
        column = seccomp.PROCESSORS[platform.machine()][0]
        for name, number in (("setresgid", SET_GROUP[column]), ("setresuid", SET_USER[column])):
            kernel.syscall(number, name, *[ctypes.c_uint(user)] * 3)
        limit_family(pid)
    except OSError as fault:
        faults.append(fault)


def limit_family(pid: int) -> None:
    """Set the limit of a process and of its descendants."""
    for process in family(pid):
        with suppress(ProcessLookupError):
            resource.prlimit(process, resource.RLIMIT_FSIZE, (0, 0))


def find_user(pid: int) -> int:
    """The user that a process runs as."""
    for line in Path(f"/proc/{pid}/status").read_bytes().splitlines():
        if line.startswith(b"Uid:"):
            return int(line.split()[1])
    raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))


def family(pid: int) -> Iterator[int]:
    """A process, then its descendants: who is forked meanwhile inherits what was set before, or comes after."""
    waiting = [pid]
    while waiting:
        process = waiting.pop()
        yield process
        with suppress(OSError):
            for task in Path(f"/proc/{process}/task").iterdir():
                waiting.extend(int(child) for child in (task / "children").read_bytes().split())
