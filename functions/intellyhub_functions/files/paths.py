"""Where a flow's files may be: under its workspace, or under a folder that the installation names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.settings import settings

__all__ = ["SCHEME", "is_object", "place", "shown"]

SCHEME = "s3://"
"""What paths of objects begin with."""


def place(written: str, workspace: Path, *, also: Sequence[Path] = ()) -> Path:
    """The file that a flow's path means, links followed. Raises PermanentError where flows may not go; they may go
    below the folders `also`."""
    if not written.strip():
        raise PermanentError("the path is empty")
    if "\0" in written:
        raise PermanentError("the path holds a null character")
    home = workspace.resolve()
    try:
        found = (home / written).resolve()
    except (OSError, RuntimeError) as fault:  # a link that leads to itself
        raise PermanentError(f"{written!r} cannot be followed: {fault}") from fault
    if not any(found.is_relative_to(root) for root in (home, *settings().file_roots, *also)):
        raise PermanentError(
            f"{written!r} is outside the workspace; files of a flow are under it, or under a folder that"
            " INTELLYHUB_FILE_ROOTS names"
        )
    return found


def shown(path: Path, workspace: Path) -> str:
    """A path as results and messages give it: relative to the workspace where it is under it."""
    home = workspace.resolve()
    return str(path.relative_to(home)) if path.is_relative_to(home) else str(path)


def is_object(written: Any) -> bool:
    """Whether a flow's path means an object in S3, not a file."""
    return isinstance(written, str) and written.strip().lower().startswith(SCHEME)
