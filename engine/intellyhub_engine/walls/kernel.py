"""System calls that Python does not offer, each as a function that raises `OSError`. Linux only.

A worker is forked without an exec, so nothing outside its process can build the walls for it: no `bwrap`, no `unshare`.
Numbers of system calls above 423 are the same on every processor (the kernel's scripts/syscall.tbl).
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
from typing import Any

__all__ = [
    "call",
    "mount",
    "pivot_root",
    "prctl",
    "seal_mounts",
    "sethostname",
    "setns",
    "syscall",
    "unmount",
    "unshare",
]

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 2

MOUNT_ATTR_RDONLY = 1  # <linux/mount.h>
MOUNT_ATTR_NOSUID = 2
MOUNT_ATTR_NODEV = 4
MOUNT_ATTR_NOEXEC = 8

SYS_MOUNT_SETATTR = 442
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


class MountAttributes(ctypes.Structure):
    """struct mount_attr of mount_setattr(2)."""

    _fields_ = [
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


@functools.cache
def libc() -> Any:
    """The C library that this process runs on."""
    return ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> int:
    """Call a function of the C library by name; -1 becomes `OSError`, which names the function."""
    return check(getattr(libc(), name)(*arguments), name)


def syscall(number: int, name: str, *arguments: object) -> int:
    """Make a system call by number. Integers that may not fit 32 bits must be given as ctypes values."""
    return check(libc().syscall(ctypes.c_long(number), *arguments), name)


def check(answer: int, name: str) -> int:
    """The answer, or `OSError` where it is -1."""
    if answer == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return answer


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    """prctl(2)."""
    return call("prctl", option, ctypes.c_ulong(first), ctypes.c_ulong(second), ctypes.c_ulong(0), ctypes.c_ulong(0))


def unshare(flags: int) -> None:
    """unshare(2); `os.unshare` came with Python 3.12."""
    call("unshare", flags)


def setns(descriptor: int, kind: int) -> None:
    """setns(2); `os.setns` came with Python 3.12."""
    call("setns", descriptor, kind)


def sethostname(name: str) -> None:
    """sethostname(2); `socket.sethostname` would import sockets."""
    call("sethostname", name.encode(), len(name.encode()))


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """mount(2). The error names the target."""
    try:
        call(
            "mount",
            os.fsencode(source),
            os.fsencode(target),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            options.encode() if options else None,
        )
    except OSError as fault:
        raise OSError(fault.errno, f"{fault.strerror} ({source} at {target})") from None


def seal_mounts(target: str, *, add: int = 0, remove: int = 0, below: bool = False) -> None:
    """mount_setattr(2): add and remove attributes of a mount, and with `below` of all under it. Unlike a remount it
    leaves alone what the kernel has locked."""
    attributes = MountAttributes(add, remove, 0, 0)
    try:
        syscall(
            SYS_MOUNT_SETATTR,
            "mount_setattr",
            AT_FDCWD,
            os.fsencode(target),
            AT_RECURSIVE if below else 0,
            ctypes.byref(attributes),
            ctypes.c_size_t(ctypes.sizeof(attributes)),
        )
    except OSError as fault:
        raise OSError(fault.errno, f"{fault.strerror} ({target})") from None


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2), for which not every C library has a function."""
    syscall(SYS_PIVOT_ROOT[platform.machine()], "pivot_root", os.fsencode(new), os.fsencode(old))


def unmount(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    call("umount2", os.fsencode(target), flags)
