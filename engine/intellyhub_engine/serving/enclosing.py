"""The walls of a worker in a pod: no namespaces are to be had there, but Landlock, seccomp and limits are.

The process closes itself in before it looks at the flow. From then on it, and all that it starts, reads the
installation and the flow, and writes the workspace and /tmp: not the token that it shows to the journal, not the files
with secrets, not its own environment.
"""

from __future__ import annotations

import logging
import os
import platform
import resource
import sys
from collections.abc import Iterable
from pathlib import Path

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.serving.outside import Outside
from intellyhub_engine.serving.settings import Settings

__all__ = ["close_in", "enter", "make_workspace"]

LOG = logging.getLogger(__name__)
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - programs keep semaphores there
BINDING = 4
"""The version of Landlock that looks at ports."""
SCOPING = 6
"""The version of Landlock that keeps signals and abstract sockets in as well."""


def enter(settings: Settings) -> Outside | None:
    """Close this thread in, and those that it starts from then on, where the settings want that; what stays outside.
    Raises `InputInvalid`. In the main thread, while it has started no others."""
    if settings.wanted_walls == "none":
        return None
    outside = Outside()
    make_workspace(settings.workspace)  # there are rules for what is there only
    close_in(settings)
    return outside


def make_workspace(path: str) -> Path:
    """The folder for a flow's files. Raises `InputInvalid`."""
    folder = Path(path).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise InputInvalid(f"the workspace {path!r} cannot be made (INTELLYHUB_WORKSPACE): {fault.strerror}") from fault
    return folder


def close_in(settings: Settings) -> tuple[str, ...]:
    """Close the walls around this thread, and those that it starts; what is missing, a sentence each. Raises
    `InputInvalid` where all are required and one is missing."""
    missing = tuple(build(settings)) if sys.platform == "linux" else ("There are no walls on this system.",)
    if missing and settings.wanted_walls == "require":
        raise InputInvalid("INTELLYHUB_WALLS=require, but walls are missing:\n" + "\n".join(missing))
    for sentence in missing:
        LOG.warning("a wall is missing: %s", sentence)
    return missing


def build(settings: Settings) -> Iterable[str]:
    """Build each; what cannot be built."""
    from intellyhub_engine.walls import privileges
    from intellyhub_engine.walls.limits import set_limits

    privileges.forbid_new_privileges()
    privileges.drop_capabilities()
    privileges.close_to_equals()
    set_limits({resource.RLIMIT_CORE: 0})
    yield from close_files(settings)
    yield from close_calls()


def close_files(settings: Settings) -> Iterable[str]:
    """Landlock."""
    from intellyhub_engine.walls import landlock
    from intellyhub_engine.walls.tree import DEVICES, SYSTEM

    version = landlock.find_version()
    if not version:
        yield "The kernel has no Landlock (5.13, lsm=landlock): flows can read the pod's token and secrets' files."
        return
    try:
        rules = landlock.Ruleset(version)
        for path in present(["/proc", *SYSTEM, *readable(settings)]):
            rules.allow(path, landlock.READ)
        for path in present(f"/dev/{name}" for name in DEVICES):
            rules.allow(path, landlock.DEVICE)
        for path in present(writable(settings)):
            rules.allow(path, landlock.WRITE)
        if version >= BINDING:
            rules.allow_bind(settings.port)  # it is the worker's own, which opens it when it can serve
        rules.enforce()
    except OSError as fault:
        yield f"Landlock is refused ({fault.strerror}): flows can read the pod's token and the files of secrets."
        return
    if version < SCOPING:
        yield f"Landlock of version {version} leaves signals within the pod open; Linux 6.12 has version {SCOPING}."


def close_calls() -> Iterable[str]:
    """Seccomp, beside the container's own profile."""
    from intellyhub_engine.walls import seccomp

    if platform.machine() not in seccomp.PROCESSORS:
        yield f"System calls are not filtered: those of {platform.machine()} are not known."
        return
    try:
        seccomp.install_first(allowed=frozenset({"memfd_create"}))  # the container's memory is limited as a whole
        seccomp.install_last()
    except OSError as fault:
        yield f"System calls are not filtered ({fault.strerror})."


def readable(settings: Settings) -> list[str]:
    """The installation, what modules come from, the flow and what lies beside it."""
    installation = (sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent))
    flow = Path(settings.flow).absolute()
    return [*installation, *filter(None, sys.path), str(flow), str(flow.parent), *settings.readable]


def writable(settings: Settings) -> list[str]:
    """The workspace, /tmp, and where a journal or compiled flows of the worker's own are kept."""
    own = [settings.cache_dir] if settings.cache_dir else []
    if settings.journal and not settings.remote_journal:
        own.append(str(Path(settings.journal).absolute().parent))
    if settings.socket:
        own.append(str(Path(settings.socket).absolute().parent))
    return [str(Path(settings.workspace).absolute()), temporary_folder(), SHARED_MEMORY, *own]


def temporary_folder() -> str:
    """Where the process and what it starts put what they need for a while. `tempfile` finds the same, at the cost of a
    tenth of a worker's start."""
    return os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - in a pod it is its own


def present(paths: Iterable[str]) -> Iterable[str]:
    """Those that there are, each once. What the root folder would give away is not taken."""
    return [path for path in dict.fromkeys(paths) if path != "/" and os.access(path, os.F_OK)]
