"""A folder for what our processes tell each other, in memory: files that are mapped kill a process by SIGBUS when the
disk they are on has no room."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

__all__ = ["MULTIPROCESS", "empty_scratch", "remove_scratch"]

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""Variable of prometheus-client: where the processes of one control plane add up their figures. Set before the first
import of it."""
MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it is checked to be ours
PRIVATE = 0o700


def empty_scratch(data: Path, memory: Path = MEMORY) -> Path:
    """The empty folder of this data folder, the same one at each start. Where there is no memory to be had, or the name
    is somebody else's, it is in the data folder."""
    name = f"intellyhub-{os.geteuid()}-{hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:16]}"
    return empty(memory / name) or empty(data / "run" / "metrics-control") or data / "run"


def remove_scratch(folder: Path, owner: int) -> None:
    """Give the memory back; only in the process `owner`, whose children may end before it does."""
    if os.getpid() == owner and folder.name != "run":
        shutil.rmtree(folder, ignore_errors=True)


def empty(folder: Path) -> Path | None:
    """The folder, ours and empty; None where that cannot be had."""
    try:
        if folder.is_symlink() or folder.exists():
            facts = folder.lstat()
            if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
                return None
            shutil.rmtree(folder)
        folder.mkdir(mode=PRIVATE, parents=folder.parent.name == "run")
    except OSError:
        return None
    return folder
