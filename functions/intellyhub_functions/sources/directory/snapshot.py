"""What a folder holds, and how it differs from what it held."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from intellyhub_functions.files.folders import opened
from intellyhub_functions.sources.patterns import Patterns

__all__ = ["Change", "Snapshot", "compare", "take_snapshot"]

MAX_FILES = 20_000
"""That fit the patterns: the place of the listener names them all."""
MAX_ENTRIES = 200_000
MAX_DEPTH = 32

Snapshot = dict[str, tuple[int, int]]
"""Path relative to the folder -> (modification time in nanoseconds, size in bytes)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file that was `created`, `modified` or `deleted`. `mark` is what it is now; when it went, what it was."""

    kind: str
    path: str
    mark: tuple[int, int]

    @property
    def present(self) -> tuple[int, int] | None:
        """The mark that a snapshot has now."""
        return None if self.kind == "deleted" else self.mark


def take_snapshot(folder: Path, patterns: Patterns, *, recursive: bool) -> Snapshot:
    """The regular files meant by the patterns; links are neither told nor followed, also not one that is put in the
    place of a folder meanwhile. Raises OSError for the folder, and for one that holds too much."""
    found: Snapshot = {}
    seen = 0
    with opened(folder) as handle:
        for place, folders, files, inner in os.fwalk(".", onerror=leave_out, dir_fd=handle, follow_symlinks=False):
            depth = place.count("/")
            if not recursive or depth >= MAX_DEPTH:
                folders.clear()
            seen += len(files) + len(folders)
            for name in files:
                note(f"{place[2:]}/{name}" if depth else name, name, inner, patterns, found)
            if len(found) > MAX_FILES or seen > MAX_ENTRIES:
                raise OSError(errno.E2BIG, f"more than {MAX_FILES} files fit, or {MAX_ENTRIES} are there at all")
    return found


def leave_out(fault: OSError) -> None:
    """Pass by a folder within that went meanwhile, or is not for this user. For everything else there is no snapshot:
    files that cannot be seen just now would count as deleted."""
    if fault.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES):
        raise fault


def note(path: str, name: str, folder: int, patterns: Patterns, found: Snapshot) -> None:
    if patterns.fit(path):
        try:
            state = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISREG(state.st_mode):
            found[path] = (state.st_mtime_ns, state.st_size)


def compare(before: Mapping[str, tuple[int, int]], now: Snapshot) -> list[Change]:
    """The changes, oldest first, what went at the end."""
    changed = [
        Change("modified" if path in before else "created", path, mark)
        for path, mark in sorted(now.items(), key=lambda item: (item[1][0], item[0]))
        if before.get(path) != mark
    ]
    return changed + [Change("deleted", path, before[path]) for path in sorted(before) if path not in now]
