"""The flows of a repository that was fetched: plain files below one folder, within bounds, nothing through a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.builds.changes import is_flow_file, looks_like_flow

__all__ = ["Found", "read_flow_files"]

MOST_FILES = 500
MOST_FLOW_BYTES = 1_000_000
"""What the language reads."""
SKIPPED = frozenset(("plugins", "node_modules"))


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is there."""

    texts: dict[str, str]
    """By path from the repository's top."""
    faults: dict[str, str]
    """Why a file cannot be taken."""


def read_flow_files(top: Path, path: str) -> Found:
    """Every flow below a folder of a repository. Raises `InputInvalid` where there is no such folder, or too much."""
    root = top / path
    if ".." in Path(path).parts or not root.is_dir() or not root.resolve().is_relative_to(top.resolve()):
        raise InputInvalid(f"the repository has no folder {path!r}")
    found = Found(texts={}, faults={})
    for place, folders, files in os.walk(root):
        folders[:] = sorted(each for each in folders if each not in SKIPPED and not each.startswith("."))
        for name in sorted(files):
            if is_flow_file(name):
                take(Path(place, name), Path(place, name).relative_to(top).as_posix(), found)
            if len(found.texts) + len(found.faults) > MOST_FILES:
                raise InputInvalid(f"there are more than {MOST_FILES} flows; connect a folder with fewer (`path`)")
    return found


def take(file: Path, name: str, found: Found) -> None:
    """One file."""
    try:
        content = read(file)
    except (OSError, InputInvalid) as fault:
        found.faults[name] = str(fault)
        return
    if not looks_like_flow(content):
        return
    try:
        found.texts[name] = content.decode()
    except UnicodeDecodeError:
        found.faults[name] = "is not UTF-8 text; a flow is YAML"


def read(file: Path) -> bytes:
    """A plain file's content. Raises `InputInvalid`, `OSError`."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputInvalid("is no file")
        content = stream.read(MOST_FLOW_BYTES + 1)
    if len(content) > MOST_FLOW_BYTES:
        raise InputInvalid(f"is larger than {MOST_FLOW_BYTES / 1e6:g} MB")
    return content
