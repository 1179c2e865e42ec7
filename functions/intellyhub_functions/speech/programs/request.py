"""Reads the request of a program that runs apart, closes the program in, and tells its failure."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.walls import landlock, privileges
from intellyhub_engine.walls.tree import SYSTEM

__all__ = ["Failed", "answer"]


class Failed(Exception):
    """Why nothing came of it; its text is what the flow is told."""


def answer(work: Callable[[Path, Mapping[str, Any]], None]) -> int:
    """Do the work on the request in the folder that the command line names; give the exit code.

    The work reads what strangers sent, with libraries that may have faults. So from the beginning the process reads
    programs, that folder and the request's `readable`, and writes that folder, nothing else."""
    folder = Path(sys.argv[-1])
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    try:
        close_in(folder, request.get("readable", ()))
        work(folder, request)
    except Failed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


def close_in(folder: Path, readable: list[str]) -> None:
    """Give up all other files, where the kernel has Landlock; a worker on a platform is closed in already."""
    version = landlock.find_version()
    if not version:
        return
    privileges.forbid_new_privileges()
    privileges.drop_capabilities()
    rules = landlock.Ruleset(version)
    for path in {*SYSTEM, *sys.path, sys.prefix, sys.base_prefix, *readable}:
        if path and Path(path).exists():
            rules.allow(path, landlock.READ)
    rules.allow(str(folder), landlock.READ | landlock.WRITE)
    rules.allow("/dev/null", landlock.DEVICE)
    rules.enforce()
