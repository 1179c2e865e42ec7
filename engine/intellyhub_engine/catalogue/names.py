"""State types and listeners as authors spell them: one form for all spellings of a name."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["fold", "fold_source"]


@lru_cache(maxsize=1024)
def fold(name: str) -> str:
    """One spelling of a state type: case does not count, `-`, `_` and blanks are equal (FLOW_LANGUAGE §2)."""
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def fold_source(name: str) -> str:
    """One spelling of a listener type: `rss-listener`, `RSSListener` and `rss` are one (FLOW_LANGUAGE §5.1)."""
    bare = name.strip().lower().replace("-", "").replace("_", "").replace(" ", "")
    return bare.removesuffix("listener") or bare
