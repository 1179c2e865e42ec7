"""Flows in folders, and those that changed since a commit of the git repository that the folder is in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from intellyhub_engine.cli.programs import MAX_FLOW_BYTES
from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.builds.changes import find_changed, is_flow_file, looks_like_flow

__all__ = ["changed_flows", "flows_in"]

SKIPPED = frozenset(("plugins", "node_modules", ".git", ".venv", "__pycache__"))
GIT_SECONDS = 60


def flows_in(folder: Path) -> list[str]:
    """The flow files below a folder, in order."""
    return [str(folder / path) for path in sorted(read_flows(folder))]


def read_flows(folder: Path) -> dict[str, bytes]:
    """Texts of the flows below a folder, by path from there."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if each not in SKIPPED and not each.startswith("."))
        for name in files:
            path = Path(place, name)
            if is_flow_file(name) and path.is_file() and path.stat().st_size <= MAX_FLOW_BYTES:
                text = path.read_bytes()
                if looks_like_flow(text):
                    found[path.relative_to(folder).as_posix()] = text
    return found


def changed_flows(folder: Path, since: str) -> list[str]:
    """The flow files below a folder that differ from a commit's, also in what they call and in their plugins. Raises
    `InputInvalid`."""
    if not folder.is_dir():
        raise InputInvalid(f"{folder}: is no folder; --changed-since looks through folders of a git repository")
    if since.startswith("-") or not since.strip():
        raise InputInvalid(f"{since!r} is no commit")
    changed = [
        *git(folder, "diff", "--name-only", "-z", "--no-renames", "--relative", "--no-ext-diff", since, "--", "."),
        *git(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", "."),
    ]
    return [str(folder / path) for path in find_changed(read_flows(folder), changed)]


def git(folder: Path, *arguments: str) -> list[str]:
    """What git says, split at NUL. Raises `InputInvalid`."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, timeout=GIT_SECONDS, check=False
        )
    except FileNotFoundError:
        raise InputInvalid("git is not installed: --changed-since asks it what has changed") from None
    except subprocess.TimeoutExpired:
        raise InputInvalid(f"git did not answer within {GIT_SECONDS} s") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0][:300]
        shallow = " (a shallow clone has no older commits: fetch them, as with fetch-depth: 0)"
        raise InputInvalid(
            f"git: {said or done.returncode}{shallow if 'revision' in said or 'bad object' in said else ''}"
        )
    return [each for each in done.stdout.decode("utf-8", "surrogateescape").split("\0") if each]
