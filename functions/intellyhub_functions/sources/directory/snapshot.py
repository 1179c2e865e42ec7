"""What a folder holds, and how it differs from what it held."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from intellyhub_functions.sources.directory.patterns import Patterns

__all__ = ["Change", "Snapshot", "compare", "take_snapshot"]

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
    """The files meant by the patterns; links are left out, they may lead anywhere. Raises OSError for the folder."""
    found: Snapshot = {}
    folders = [folder]
    while folders:
        current = folders.pop()
        try:
            with os.scandir(current) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders += [Path(entry.path)] if recursive else []
                    elif entry.is_file(follow_symlinks=False):
                        note(entry, folder, patterns, found)
        except FileNotFoundError:
            if current == folder:
                raise  # one below it went while we looked: the next look sees that
    return found


def note(entry: os.DirEntry[str], folder: Path, patterns: Patterns, found: Snapshot) -> None:
    path = Path(entry.path).relative_to(folder).as_posix()
    if patterns.fit(path):
        try:
            state = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        found[path] = (state.st_mtime_ns, state.st_size)


def compare(before: Mapping[str, tuple[int, int]], now: Snapshot) -> list[Change]:
    """The changes, oldest first, what went at the end."""
    changed = [
        Change("modified" if path in before else "created", path, mark)
        for path, mark in sorted(now.items(), key=lambda item: (item[1][0], item[0]))
        if before.get(path) != mark
    ]
    return changed + [Change("deleted", path, before[path]) for path in sorted(before) if path not in now]
