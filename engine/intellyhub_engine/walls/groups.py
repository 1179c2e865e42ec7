"""Control groups: what a worker and all of its children use together. One group per worker, where they can be made."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["enter_group", "find_folders", "limit_group", "name_group", "remove_group", "sweep", "write"]

CONTROLLERS = ("memory", "pids", "cpu")
NAME = "intellyhub-"
YOUNG_SECONDS = 60


def find_folders() -> dict[str, str]:
    """Where groups can be made: the folder by controller, `memory`, `pids` and `cpu`; `address` is where a program that
    filters addresses can be attached. In the unified hierarchy (version 2) they are one folder."""
    found: dict[str, str] = {}
    own: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own |= dict.fromkeys(controllers.split(","), path)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, place = before.split()[3:5]
        if kind == "cgroup2" and "" in own:
            folder = below(place, root, own[""])
            if is_usable(folder):
                found["address"] = folder
                available = enabled(folder)
                found |= {controller: folder for controller in CONTROLLERS if controller in available}
        elif kind == "cgroup":
            for controller in CONTROLLERS:
                if controller in options.split(",") and controller in own:
                    folder = below(place, root, own[controller])
                    if is_usable(folder):
                        found[controller] = folder
    return found


def below(place: str, root: str, own: str) -> str:
    """The folder of this process's own group, in a hierarchy of which `root` is mounted at `place`."""
    return os.path.normpath(f"{place}/{own.removeprefix(root) if root != '/' else own}")


def is_usable(folder: str) -> bool:
    """Whether groups can be made in there; tried, as no look at bits tells about mounts and delegation."""
    trial = Path(folder, f"{NAME}trial-{os.getpid()}")
    try:
        trial.mkdir()
        trial.rmdir()
    except OSError:
        return False
    return True


def enabled(folder: str) -> set[str]:
    """The controllers that groups in this folder of version 2 have, once we have asked for ours."""
    wanted = set(Path(folder, "cgroup.controllers").read_text().split()) & set(CONTROLLERS)
    with suppress(OSError):  # a group that holds processes cannot hand on controllers, unless it is the root
        Path(folder, "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(wanted)))
    return set(Path(folder, "cgroup.subtree_control").read_text().split())


def name_group(folder: str, number: int) -> str:
    """The group of the worker that its parent knows as process `number`."""
    return f"{folder}/{NAME}{number}"


def enter_group(folders: Mapping[str, str], number: int) -> None:
    """Make a group for the worker that its parent knows as process `number`, and put this process into it."""
    for folder in set(folders.values()):
        group = name_group(folder, number)
        with suppress(FileExistsError):  # left behind by an earlier process of that number
            Path(group).mkdir()
        write(f"{group}/cgroup.procs", "0")


def limit_group(folders: Mapping[str, str], number: int, *, memory_bytes: int, processes: int) -> None:
    """Limit what the processes in the group use together. Swap counts as memory where the kernel counts it."""
    if "memory" in folders:
        group = name_group(folders["memory"], number)
        if Path(group, "memory.max").exists():
            write(f"{group}/memory.max", str(memory_bytes))
            with suppress(FileNotFoundError):
                write(f"{group}/memory.swap.max", "0")
        else:
            with suppress(OSError):  # more than with swap so far, which memory alone may never be
                write(f"{group}/memory.limit_in_bytes", str(memory_bytes))
            with suppress(FileNotFoundError):
                write(f"{group}/memory.memsw.limit_in_bytes", str(memory_bytes))
            write(f"{group}/memory.limit_in_bytes", str(memory_bytes))
    if "pids" in folders:
        write(name_group(folders["pids"], number) + "/pids.max", str(processes))


def remove_group(folders: Mapping[str, str], number: int) -> None:
    """Take the group of an ended worker away. Nothing happens where there is none."""
    for folder in set(folders.values()):
        with suppress(OSError):
            Path(name_group(folder, number)).rmdir()


def sweep(folders: Mapping[str, str]) -> None:
    """Take away groups that platforms left behind which were killed. Those that hold processes stay, and young ones: a
    process may be on its way into them."""
    for folder in set(folders.values()):
        for group in Path(folder).glob(NAME + "*"):
            with suppress(OSError):
                if time.time() - group.stat().st_ctime > YOUNG_SECONDS:
                    group.rmdir()


def write(path: str, text: str) -> None:
    """Write to a file of the kernel, in one piece."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
