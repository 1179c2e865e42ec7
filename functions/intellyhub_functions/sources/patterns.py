"""Which files, and which of their changes, a listener means: `*.csv`, brace sets `*.{jpg,png}`, and `!*.tmp` for those
it does not."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.spelling import did_you_mean
from intellyhub_engine.language.values.values import text_of

__all__ = ["Patterns", "expand_braces", "faults_of_kinds", "faults_of_patterns", "make_patterns", "read_kinds"]

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


def faults_of_patterns(known: Mapping[str, Any]) -> Iterator[ParameterFault]:
    """What is wrong with `file_patterns` and `ignore_patterns`."""
    for name in ("file_patterns", "ignore_patterns"):
        if known.get(name) is not None:
            try:
                make_patterns(known[name], [])
            except PermanentError as fault:
                yield ParameterFault((name,), str(fault))


def faults_of_kinds(written: Any, kinds: Collection[str]) -> Iterator[ParameterFault]:
    """What `events` names that is not among the kinds of changes that there are."""
    known = f"known are {', '.join(sorted(kinds))}"
    named = as_list(written)
    if not named:
        yield ParameterFault(("events",), f"events name nothing; {known}")
    for number, kind in enumerate(named):
        if kind not in kinds:
            path = ("events", number) if isinstance(written, list) else ("events",)
            yield ParameterFault(path, f"events name {kind[:40]!r}; {known}", did_you_mean(kind, kinds))


def read_kinds(written: Any, kinds: Collection[str]) -> frozenset[str]:
    """The kinds of changes that `events` names. Raises PermanentError."""
    for fault in faults_of_kinds(written, kinds):
        raise PermanentError(fault.message)
    return frozenset(as_list(written))


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
