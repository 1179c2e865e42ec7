"""What a process gives up for good: capabilities, its user, the way to new privileges, being looked into."""

from __future__ import annotations

import ctypes
import os
import signal

from intellyhub_engine.walls import kernel

__all__ = [
    "become_user",
    "close_to_equals",
    "die_with_parent",
    "drop_bounds",
    "drop_capabilities",
    "forbid_new_privileges",
    "holds",
    "open_to_equals",
]

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CAP_CHOWN = 0  # <linux/capability.h>
CAP_SETGID = 6
CAP_SETUID = 7
CAP_SETPCAP = 8
CAP_SYS_ADMIN = 21
HIGHEST_CAPABILITY = 63
"""More than any kernel has: asking for one that does not exist ends the loop."""
CAPABILITY_VERSION_3 = 0x20080522


class Header(ctypes.Structure):
    """cap_user_header_t of capset(2)."""

    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class Sets(ctypes.Structure):
    """cap_user_data_t, twice: effective, permitted and inheritable capabilities in two halves."""

    _fields_ = [("words", ctypes.c_uint32 * 6)]


def holds(*capabilities: int) -> bool:
    """Whether this process has all of these capabilities in force."""
    header, sets = Header(CAPABILITY_VERSION_3, 0), Sets()
    kernel.call("capget", ctypes.byref(header), ctypes.byref(sets))
    effective = sets.words[0] | sets.words[3] << 32
    return all(effective >> number & 1 for number in capabilities)


def become_user(user: int) -> None:
    """Be `user` with a group of the same number, and nobody else. There is no way back."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def drop_bounds() -> None:
    """No program started from here on can be given a capability. Needs CAP_SETPCAP."""
    for number in range(HIGHEST_CAPABILITY + 1):
        try:
            kernel.prctl(PR_CAPBSET_DROP, number)
        except OSError:
            if number > CAP_SYS_ADMIN:  # beyond the last one that this kernel knows
                return
            raise


def drop_capabilities() -> None:
    """Have none, and never any again."""
    header, sets = Header(CAPABILITY_VERSION_3, 0), Sets()
    kernel.call("capset", ctypes.byref(header), ctypes.byref(sets))


def forbid_new_privileges() -> None:
    """No program started from here on gains rights by its file's bits."""
    kernel.prctl(PR_SET_NO_NEW_PRIVS, 1)


def close_to_equals() -> None:
    """Keep processes of the same user out of this one's memory, environment and descriptors, where tokens are."""
    kernel.prctl(PR_SET_DUMPABLE, 0)


def open_to_equals() -> None:
    """Undo `close_to_equals`."""
    kernel.prctl(PR_SET_DUMPABLE, 1)


def die_with_parent() -> None:
    """Be killed when the process that is this one's parent ends. A change of user undoes it."""
    kernel.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
