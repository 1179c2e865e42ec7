"""Names as authors spell them, and the names they may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from types import MappingProxyType

from intellyhub_engine.catalogue.control import CONTROL
from intellyhub_engine.catalogue.manifest import Catalogue, SourceType, StateType
from intellyhub_engine.catalogue.names import fold, fold_source

__all__ = ["did_you_mean", "find_source_type", "find_state_type", "nearest"]

MAX_CANDIDATES = 300
MAX_LENGTH = 100
"""Beyond these no suggestion is looked for: it would cost more than it is worth."""


CONTROL_NAMES: Mapping[str, StateType] = MappingProxyType(
    {fold(spelling): kind for kind in CONTROL.values() for spelling in (kind.type, *kind.aliases)}
)


def find_state_type(name: str, catalogue: Catalogue) -> StateType | None:
    """The state type of any spelling or alias. The machine's own types come first."""
    folded = fold(name)
    found = CONTROL_NAMES.get(folded) or catalogue.states.get(name)
    if found is not None:
        return found
    return next((kind for kind in catalogue.states.values() if folded in map(fold, (kind.type, *kind.aliases))), None)


def find_source_type(name: str, catalogue: Catalogue) -> SourceType | None:
    """The source of any spelling or alias."""
    folded = fold_source(name)
    if folded in catalogue.sources:
        return catalogue.sources[folded]
    sources = catalogue.sources.values()
    return next((kind for kind in sources if folded in map(fold_source, (kind.type, *kind.aliases))), None)


def nearest(name: str, known: Collection[str], *, likeness: float = 0.66) -> str | None:
    """The known name that looks most like the given one; `likeness` is from 0 to 1, as `difflib` measures."""
    if len(known) > MAX_CANDIDATES or len(name) > MAX_LENGTH:
        return None
    names = {fold(each): each for each in known}
    found = difflib.get_close_matches(fold(name), names, n=1, cutoff=likeness)
    return names[found[0]] if found else None


def did_you_mean(name: str, known: Collection[str], *, likeness: float = 0.66) -> str | None:
    """A suggestion in words, where a known name is near."""
    found = nearest(name, known, likeness=likeness)
    return f"did you mean {found!r}?" if found else None
