"""The `file` state: one action on one file of the workspace; where S3 is involved, `remote` has it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.machine.step import Step
from intellyhub_functions.files.paths import is_object, place, shown
from intellyhub_functions.files.storage import append_once, read_up_to, write_whole
from intellyhub_functions.states.file.content import from_bytes, to_bytes

__all__ = ["MAX_COPIED", "content_of", "perform", "translate"]

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MAX_COPIED = 256 * 1024 * 1024
MAX_LISTED = 10_000


def perform(parameters: Mapping[str, Any], step: Step) -> Any:
    """Do the action. `read` gives the content, `exists` a truth value, `list` paths; the others the file's path."""
    if is_object(parameters["path"]) or is_object(parameters.get("destination")):
        from intellyhub_functions.states.file.remote import perform_remotely

        return perform_remotely(parameters, step)
    path = place(parameters["path"], step.workspace)
    try:
        return ACTIONS[parameters["action"]](path, parameters, step)
    except OSError as fault:
        raise translate(fault, shown(path, step.workspace)) from fault


def translate(fault: OSError, name: str) -> PermanentError | RetryableError:
    """The system's refusal as the step's failure; a full disk may have room again."""
    if fault.errno in NO_ROOM:
        return RetryableError(f"{name}: there is no room on the disk; free some and try again")
    return PermanentError(f"{name}: {(fault.strerror or str(fault)).lower()}")


def read(path: Path, parameters: Mapping[str, Any], step: Step) -> Any:
    name = shown(path, step.workspace)
    limit = parameters.get("max_bytes", 16 * 1024 * 1024)
    stored = read_up_to(path, limit + 1)
    if len(stored) > limit:
        raise PermanentError(f"{name} is larger than {limit} bytes; `max_bytes` raises the limit")
    return from_bytes(stored, parameters.get("format", "text"), parameters.get("encoding", "utf-8"), name)


def write(path: Path, parameters: Mapping[str, Any], step: Step) -> str:
    write_whole(path, content_of(parameters))
    return shown(path, step.workspace)


def append(path: Path, parameters: Mapping[str, Any], step: Step) -> str:
    append_once(path, content_of(parameters), step.idempotency_key)
    return shown(path, step.workspace)


def delete(path: Path, parameters: Mapping[str, Any], step: Step) -> str:
    """Remove a file, or an empty folder. What is not there is gone: a repetition after a crash succeeds."""
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    return shown(path, step.workspace)


def move(path: Path, parameters: Mapping[str, Any], step: Step) -> str:
    """Move, replacing what is there. A source that is gone while its destination is there was moved before a crash."""
    target = destination(path, parameters, step)
    if path.exists() or not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
    return shown(target, step.workspace)


def copy(path: Path, parameters: Mapping[str, Any], step: Step) -> str:
    target = destination(path, parameters, step)
    content = read_up_to(path, MAX_COPIED + 1)
    if len(content) > MAX_COPIED:
        raise PermanentError(f"{shown(path, step.workspace)} is larger than {MAX_COPIED} bytes; copy it in a shell")
    write_whole(target, content)
    shutil.copystat(path, target)
    return shown(target, step.workspace)


def exists(path: Path, parameters: Mapping[str, Any], step: Step) -> bool:
    return path.exists()


def list_files(path: Path, parameters: Mapping[str, Any], step: Step) -> list[str]:
    """The files of a folder, or those that a pattern fits; sorted, without hidden ones, folders end with a slash."""
    if path.is_dir():
        entries = path.iterdir()
    elif any(mark in path.name for mark in "*?["):
        entries = path.parent.glob(path.name)
    else:
        raise PermanentError(f"{shown(path, step.workspace)} is not a folder")
    found = list(islice(entries, MAX_LISTED + 1))
    if len(found) > MAX_LISTED:
        raise PermanentError(f"{shown(path, step.workspace)} has more than {MAX_LISTED} entries; list a pattern")
    visible = [entry for entry in found if not entry.name.startswith(".")]
    return sorted(shown(entry, step.workspace) + ("/" if entry.is_dir() else "") for entry in visible)


def content_of(parameters: Mapping[str, Any]) -> bytes:
    """What is to be written. Raises PermanentError where nothing is given."""
    if "content" not in parameters:
        raise PermanentError(f"content is missing; {parameters['action']} needs what to write")
    return to_bytes(parameters["content"], parameters.get("encoding", "utf-8"))


def destination(path: Path, parameters: Mapping[str, Any], step: Step) -> Path:
    """Where move and copy go; into a folder, under the file's own name."""
    written = parameters.get("destination")
    if not written:
        raise PermanentError(f"destination is missing; {parameters['action']} needs where to put the file")
    target = place(written, step.workspace)
    return target / path.name if target.is_dir() or written.endswith("/") else target


ACTIONS: Mapping[str, Callable[[Path, Mapping[str, Any], Step], Any]] = {
    "read": read,
    "write": write,
    "append": append,
    "delete": delete,
    "move": move,
    "copy": copy,
    "exists": exists,
    "list": list_files,
}
