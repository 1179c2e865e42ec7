"""What a plugin requires, without what no index has: standard modules, and lines that are no requirement."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

__all__ = ["installable"]

NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*($|[<>=!~;@(,].*)", re.DOTALL)
BACKPORTED = frozenset(("dataclasses", "typing", "enum", "importlib"))
STANDARD = frozenset(name.lower() for name in sys.stdlib_module_names) | BACKPORTED
"""`ast>=3.8.0` of a published plugin means the standard module, which cannot be installed."""


def installable(requirements: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The requirements that an index can be asked for, and those left out."""
    kept: list[str] = []
    left: list[str] = []
    for written in requirements:
        line = written.partition("#")[0].strip()
        found = NAME.fullmatch(line)
        if found is None or found[1].lower().replace("-", "_") in STANDARD:
            left.append(written)
        elif line not in kept:
            kept.append(line)
    return tuple(kept), tuple(left)
