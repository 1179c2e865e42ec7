"""Which files a listener means: `*.csv`, brace sets `*.{jpg,png}`, and `!*.tmp` for those it does not."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of

__all__ = ["Patterns", "expand_braces", "make_patterns"]

MAX_EXPANDED = 1000
BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Patterns:
    """Compiled patterns; one with a slash is held against the path, one without against the name."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]

    def fit(self, path: str) -> bool:
        """Whether a path, relative to the watched folder, is meant. Case counts."""
        return any(fits(path, pattern) for pattern in self.wanted) and not any(
            fits(path, pattern) for pattern in self.unwanted
        )


def fits(path: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(path if "/" in pattern else PurePath(path).name, pattern)


def make_patterns(wanted: Any, ignored: Any) -> Patterns:
    """The patterns as written, a list or one text; without a wanted one every file is."""
    given = as_list(wanted)
    positive = [pattern for pattern in given if not pattern.startswith("!")] or ["*"]
    negative = [pattern[1:] for pattern in given if pattern.startswith("!")] + as_list(ignored)
    return Patterns(expand_all(positive), expand_all(negative))


def as_list(written: Any) -> list[str]:
    """A list, or a text with commas outside of braces."""
    if isinstance(written, str):
        return [part.strip() for part in re.split(r",(?![^{]*\})", written) if part.strip()]
    return [text_of(part) for part in written or ()]


def expand_all(patterns: Sequence[str]) -> tuple[str, ...]:
    expanded = tuple(one for pattern in patterns for one in expand_braces(pattern))
    if len(expanded) > MAX_EXPANDED:
        raise PermanentError(f"the file patterns stand for more than {MAX_EXPANDED}")
    return expanded


def expand_braces(pattern: str) -> list[str]:
    """`a.{b,c}` as `a.b` and `a.c`, innermost braces first."""
    found = BRACES.search(pattern)
    if found is None:
        return [pattern]
    before, after = pattern[: found.start()], pattern[found.end() :]
    expanded: list[str] = []
    for choice in found.group(1).split(","):
        expanded += expand_braces(f"{before}{choice.strip()}{after}")
        if len(expanded) > MAX_EXPANDED:
            break
    return expanded
