"""What a child can no longer do: gain privileges, use more than its limits, reach what its parent had open."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import signal
import sys
from typing import Any

from intellyhub_engine.blocks.limits import Limits

__all__ = [
    "JOB_DESCRIPTOR",
    "adopt_orphans",
    "detach",
    "forbid_new_privileges",
    "hide_from_equals",
    "set_limits",
]

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
JOB_DESCRIPTOR = 3
"""Where a child finds its job's socket."""


@functools.cache
def libc() -> Any:
    """The C library; None where it offers no prctl."""
    if sys.platform != "linux":
        return None
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def forbid_new_privileges() -> None:
    """No program started from here on gains rights by set-user-id bits. Linux only; inherited and for good."""
    if libc() is not None and libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError("prctl(PR_SET_NO_NEW_PRIVS) was refused")


def hide_from_equals() -> None:
    """Keep processes of the same user out of this one's memory, descriptors and environment, where tokens are: `/proc`
    and ptrace then ask for root. A program started from here can be looked at again. Linux only."""
    if libc() is not None:
        libc().prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of what children leave behind, instead of process 1. Linux only."""
    if libc() is not None:
        libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Be killed when the process that forked this one ends. Linux only."""
    if libc() is not None:
        libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def detach(job: int, output: int, errors: int, highest: int) -> None:
    """Begin a session of its own; keep only the job's socket, as JOB_DESCRIPTOR, and the standard streams.

    The three descriptors are above JOB_DESCRIPTOR; `highest` is the highest one open.
    """
    os.setsid()
    die_with_parent()
    if libc() is not None:
        libc().prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # nothing of the worker is in here, and blocks may want /proc/self
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.dup2(job, JOB_DESCRIPTOR, inheritable=False)
    os.closerange(JOB_DESCRIPTOR + 1, max(highest, null) + 1)


def set_limits(limits: Limits) -> None:
    """Set what setrlimit can; a limit above the one already in force stays at that."""
    wanted = (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, value in wanted:
        if value is not None:
            _, hard = resource.getrlimit(kind)
            lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
            with contextlib.suppress(ValueError):  # macOS refuses some kinds
                resource.setrlimit(kind, (lowest, lowest))
