"""Lists as authors write them: `[a, b]`, `a, b`, or a single value."""

from __future__ import annotations

from typing import Any

from intellyhub_engine.language.values.values import text_of

__all__ = ["texts_of"]


def texts_of(written: Any) -> list[str]:
    """The texts of a list, of one text with commas, or of a single value; none where nothing is written."""
    if isinstance(written, str):
        parts: Any = written.split(",")
    elif isinstance(written, list | tuple):
        parts = written
    else:
        parts = [] if written is None else [written]
    return [text_of(part).strip() for part in parts]
