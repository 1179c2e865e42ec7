"""What a directory listener can never do, told before it listens."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.settings import settings
from intellyhub_functions.sources.patterns import faults_of_kinds, faults_of_patterns

__all__ = ["KINDS", "examine"]

KINDS = frozenset(("created", "modified", "deleted"))


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """Its folder, its events, its patterns."""
    if known.get("path") is not None:
        yield from faults_of_path(text_of(known["path"]))
    if known.get("events") is not None:
        yield from faults_of_kinds(known["events"], KINDS)
    yield from faults_of_patterns(known)


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
