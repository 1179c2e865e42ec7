"""What a directory listener can never do, told before it listens."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.spelling import did_you_mean
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.settings import settings
from intellyhub_functions.sources.directory.patterns import as_list, make_patterns

__all__ = ["examine", "find_unknown_kinds"]

KINDS = frozenset(("created", "modified", "deleted"))


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """Its folder, its events, its patterns."""
    if known.get("path") is not None:
        yield from faults_of_path(text_of(known["path"]))
    if known.get("events") is not None:
        yield from find_unknown_kinds(known["events"])
    for name in ("file_patterns", "ignore_patterns"):
        if known.get(name) is not None:
            try:
                make_patterns(known[name], [])
            except PermanentError as fault:
                yield ParameterFault((name,), str(fault))


def find_unknown_kinds(written: Any) -> Iterator[ParameterFault]:
    """What `events` names that never happens to a file."""
    kinds = as_list(written)
    if not kinds:
        yield ParameterFault(("events",), f"events name nothing; known are {', '.join(sorted(KINDS))}")
    for number, kind in enumerate(kinds):
        if kind not in KINDS:
            path = ("events", number) if isinstance(written, list) else ("events",)
            message = f"events name {kind[:40]!r}; known are {', '.join(sorted(KINDS))}"
            yield ParameterFault(path, message, did_you_mean(kind, KINDS))


def faults_of_path(written: str) -> Iterator[ParameterFault]:
    """A path that leads out of the workspace, wherever that is. Where the flow runs it may be allowed: a warning."""
    if "\0" in written or not written.strip():
        yield ParameterFault(("path",), "the path is empty, or holds a null character")
        return
    folder = Path(os.path.normpath(written))
    allowed = (*settings().directories, *settings().file_roots)
    leads_out = folder.is_absolute() or folder.parts[:1] == ("..",)
    if leads_out and not any(folder.is_relative_to(root) for root in allowed):
        message = (
            f"{written!r} leads out of the workspace: where the flow runs, INTELLYHUB_DIRECTORIES must name that folder"
        )
        yield ParameterFault(("path",), message, certain=False)
