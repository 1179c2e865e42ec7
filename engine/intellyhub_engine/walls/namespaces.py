"""Forks a process into namespaces of its own: users, mounts, processes, IPC, host name."""

from __future__ import annotations

import errno
import os
import select
import struct
from collections.abc import Callable
from contextlib import suppress

from intellyhub_engine.walls import groups, kernel, privileges

__all__ = ["fork", "fork_plainly", "settle"]

CLONE_NEWNS = 0x20000  # <linux/sched.h>
CLONE_NEWCGROUP = 0x2000000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
NAMESPACES = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
PR_SET_CHILD_SUBREAPER = 36
NOT_PREPARED = 70  # EX_SOFTWARE of <sysexits.h>
TOLD = struct.Struct("ii")
"""What the process between tells: the child's process id, or 0 and why there is none."""


def fork(prepare: Callable[[int], None], *, users: bool) -> int:
    """As `os.fork`, but the child is process 1 of a namespace of its own, and has run `prepare` with the process id
    that its parent knows it by. A child that cannot be prepared ends, and says why on standard error. `users`: this
    process may become any user. Raises `OSError` where the namespaces are refused.
    """
    return fork_directly(prepare) if users else fork_between(prepare)


def fork_directly(prepare: Callable[[int], None]) -> int:
    """For who needs no user namespace. A process cannot enter a process namespace, only its children can: so this one
    says that its children shall, forks, and takes it back."""
    home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        kernel.unshare(CLONE_NEWPID)
        return fork_plainly(lambda number: leave_and(prepare, number), after=lambda: kernel.setns(home, CLONE_NEWPID))
    finally:
        os.close(home)


def leave_and(prepare: Callable[[int], None], number: int) -> None:
    """Leave the other namespaces, then prepare."""
    kernel.unshare(NAMESPACES & ~CLONE_NEWPID)
    prepare(number)


def fork_between(prepare: Callable[[int], None]) -> int:
    """For everybody else. In a user namespace of its own a process cannot take anything back. So one process stands
    between, unshares, forks the child and ends; the child then belongs to the nearest ancestor that asked for orphans,
    which is this process."""
    kernel.prctl(PR_SET_CHILD_SUBREAPER, 1)
    parent = os.pidfd_open(os.getpid())
    told, tell = os.pipe()
    go, give = os.pipe()
    between = os.fork()
    if between == 0:
        stand_between(tell)
        os.close(told)
        os.close(tell)
        os.close(give)
        begin(go, parent, prepare)
        return 0
    os.close(parent)
    os.close(tell)
    os.close(go)
    try:
        return start_child(between, told, give)
    finally:
        os.close(told)
        os.close(give)


def fork_plainly(prepare: Callable[[int], None], after: Callable[[], None] = lambda: None) -> int:
    """The same without namespaces. `after` is called in the parent, whether there is a child or not."""
    parent = os.pidfd_open(os.getpid())
    go, give = os.pipe()
    child = -1
    try:
        child = os.fork()
    finally:
        if child != 0:
            after()
    if child == 0:
        os.close(give)
        begin(go, parent, prepare)
        return 0
    os.write(give, TOLD.pack(child, 0))
    for descriptor in (parent, go, give):
        os.close(descriptor)
    return child


def start_child(between: int, told: int, give: int) -> int:
    """Hear of the child, wait until it is ours, and tell it to begin."""
    answer = os.read(told, TOLD.size)
    with suppress(ChildProcessError):  # a handler of SIGCHLD may have been quicker
        os.waitpid(between, 0)
    child: int
    fault: int
    child, fault = TOLD.unpack(answer) if answer else (0, errno.ECHILD)
    if fault:
        raise OSError(fault, f"namespaces are refused: {os.strerror(fault)}")
    os.write(give, TOLD.pack(child, 0))
    return child


def stand_between(tell: int) -> None:
    """Unshare and fork; comes back in the child only."""
    try:
        unshare()
        child = os.fork()
        if child == 0:
            return
        os.write(tell, TOLD.pack(child, 0))
    except OSError as fault:
        os.write(tell, TOLD.pack(0, fault.errno or errno.EPERM))
    os._exit(0)


def unshare() -> None:
    """Leave every namespace but the network's, for a user namespace in which one user exists, the one it is: that one
    may do the rest."""
    user, group = os.geteuid(), os.getegid()
    privileges.open_to_equals()  # else its files in /proc belong to root
    kernel.unshare(NAMESPACES | CLONE_NEWUSER)
    groups.write("/proc/self/setgroups", "deny")
    groups.write("/proc/self/uid_map", f"{user} {user} 1")
    groups.write("/proc/self/gid_map", f"{group} {group} 1")


def begin(go: int, parent: int, prepare: Callable[[int], None]) -> None:
    """What the child does first: become the parent's for good, so that it dies with it, then prepare."""
    try:
        known = os.read(go, TOLD.size)
        privileges.die_with_parent()
        if not known or select.select([parent], [], [], 0)[0]:  # the parent ended before that
            os._exit(NOT_PREPARED)
        os.close(go)
        os.close(parent)
        prepare(TOLD.unpack(known)[0])
    except BaseException as fault:  # noqa: BLE001 - nothing of the parent's may go on in here
        os.write(2, f"a worker cannot be walled in: {fault}\n".encode())
        os._exit(NOT_PREPARED)


def settle(*, ties: bool = True) -> None:
    """Give the new host a name, and cut the `ties` that a new mount namespace still has."""
    if ties:
        settle_mounts()
    kernel.sethostname("flow")


def settle_mounts() -> None:
    """What is mounted here is mounted nowhere else from now on, and the other way round."""
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
