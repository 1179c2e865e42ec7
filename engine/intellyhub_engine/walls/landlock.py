"""Landlock: a process gives up access to files, ports, signals and abstract sockets, without any rights of its own.

It is the second wall behind the namespaces, and the only one for files where those are refused. There is no maintained
library for it on the package index; it is four system calls (Documentation/userspace-api/landlock.rst).
"""

from __future__ import annotations

import ctypes
import os
import struct
from enum import IntFlag
from pathlib import Path

from intellyhub_engine.walls import kernel

__all__ = ["DEVICE", "READ", "WRITE", "Ruleset", "find_version"]

CREATE_RULESET = 444  # the same on every processor
ADD_RULE = 445
RESTRICT_SELF = 446
RULE_PATH_BENEATH = 1
RULE_NET_PORT = 2
ASK_VERSION = 1


class Access(IntFlag):
    """What can be done to files, LANDLOCK_ACCESS_FS_*."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


HANDLED = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""By version: what it can deny."""
OF_FILES = Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE | Access.IOCTL_DEV
"""What may be said of a file; the rest is about folders."""
READ = int(Access.EXECUTE | Access.READ_FILE | Access.READ_DIR)
WRITE = int(Access((1 << 16) - 1) & ~(Access.MAKE_CHAR | Access.MAKE_BLOCK | Access.IOCTL_DEV))
DEVICE = int(Access.READ_FILE | Access.WRITE_FILE | Access.IOCTL_DEV)
BIND_TCP = 1
SCOPES = 0b11
"""Abstract unix sockets, and signals: only within the domain."""


def find_version() -> int:
    """The version of the kernel's interface; 0 where there is none."""
    try:
        return kernel.syscall(CREATE_RULESET, "landlock", None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_VERSION))
    except OSError:
        return 0


class Ruleset:
    """Rules under construction. All that a version can deny is denied, but for what is allowed."""

    def __init__(self, version: int) -> None:
        self.handled = HANDLED[min(version, max(HANDLED))]
        attributes = struct.pack("QQQ", self.handled, BIND_TCP if version >= 4 else 0, SCOPES if version >= 6 else 0)
        size = 24 if version >= 6 else 16 if version >= 4 else 8
        self.descriptor = kernel.syscall(
            CREATE_RULESET, "landlock_create_ruleset", attributes, ctypes.c_size_t(size), ctypes.c_uint32(0)
        )
        os.set_inheritable(self.descriptor, False)
        if version >= 4:
            self.allow_bind(0)

    def allow(self, path: str, access: int) -> None:
        """Allow `access` to a file, or to a folder and everything in it. Raises `OSError` where there is none."""
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not Path(path).is_dir():
                access &= OF_FILES
            rule = struct.pack("=Qi", access & self.handled, place)
            self.add(RULE_PATH_BENEATH, rule)
        finally:
            os.close(place)

    def allow_bind(self, port: int) -> None:
        """Allow to listen on a TCP port; 0 is one that the system chooses."""
        self.add(RULE_NET_PORT, struct.pack("QQ", BIND_TCP, port))

    def add(self, kind: int, rule: bytes) -> None:
        """Add one rule."""
        kernel.syscall(ADD_RULE, "landlock_add_rule", self.descriptor, kind, rule, ctypes.c_uint32(0))

    def enforce(self) -> None:
        """Bind this process and its children by it, for good. Needs no_new_privs."""
        kernel.syscall(RESTRICT_SELF, "landlock_restrict_self", self.descriptor, ctypes.c_uint32(0))
        os.close(self.descriptor)
