"""Saves the files of a message in the workspace, where the listener asks for it."""

from __future__ import annotations

import errno
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.files.paths import place, shown
from intellyhub_functions.files.storage import write_whole
from intellyhub_functions.sources.email.message import File

__all__ = ["describe"]

MAX_FILES = 100
MAX_NAME_BYTES = 120
DEFAULT_FOLDER = "attachments"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def describe(
    files: Sequence[File], folder: str, parameters: Mapping[str, Any], context: SourceContext
) -> list[dict[str, Any]]:
    """What the event says of each file; with `path` where it was saved, in `folder` below the listener's.

    The same message gives the same paths, so that a repetition leaves no second copy. Raises RetryableError where the
    disk is full: the message can wait.
    """
    if len(files) > MAX_FILES:
        context.log("warning", f"a message has {len(files)} files; the first {MAX_FILES} are told")
    told: list[dict[str, Any]] = []
    names: set[str] = set()
    for file in files[:MAX_FILES]:
        name = unique(safe_name(file.name, file.kind), names)
        entry = {"name": name, "content_type": file.kind, "size": len(file.content), "content_id": file.cid}
        if parameters.get("save_attachments"):
            entry["path"] = save(file, name, folder, parameters, context)
        told.append(entry)
    return told


def save(file: File, name: str, folder: str, parameters: Mapping[str, Any], context: SourceContext) -> str:
    """Write one file; its path, empty where that could not be done."""
    below = text_of(parameters.get("attachments_path") or DEFAULT_FOLDER)
    try:
        path = place(f"{below}/{folder}/{name}", context.workspace)
        write_whole(path, file.content)
    except (PermanentError, OSError) as fault:
        if isinstance(fault, OSError) and fault.errno in NO_ROOM:
            raise RetryableError(f"the file {name!r} cannot be saved: {fault.strerror}") from fault
        context.log("error", f"the file {name!r} could not be saved: {fault}")
        return ""
    return shown(path, context.workspace)


def safe_name(written: str, kind: str) -> str:
    """A name for a file system out of a stranger's: no folders, no control characters, not hidden, not long."""
    last = PurePosixPath(PureWindowsPath(written.replace("\0", "")).name).name
    letters = "".join(letter for letter in unicodedata.normalize("NFC", last) if letter.isprintable())
    name = letters.strip(" .~") or ("message.eml" if kind == "message/rfc822" else "attachment")
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 16:
        stem, suffix = name, ""
    room = MAX_NAME_BYTES - len(suffix.encode()) - len(dot)
    return stem.encode()[:room].decode("utf-8", "ignore") + (f".{suffix}" if suffix else "")


def unique(name: str, taken: set[str]) -> str:
    """The name, with a number where another file of the message has it."""
    stem, dot, suffix = name.rpartition(".")
    stem, tail = (stem, f".{suffix}") if dot else (name, "")
    found, number = name, 1
    while found.casefold() in taken:
        number += 1
        found = f"{stem}-{number}{tail}"
    taken.add(found.casefold())
    return found
