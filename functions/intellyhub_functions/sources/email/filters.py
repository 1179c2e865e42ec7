"""Which messages a listener wants: `subject:word from:address`, or the same as a mapping."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.spelling import did_you_mean
from intellyhub_functions.sources.lists import texts_of

__all__ = ["accepts", "examine", "read_filter"]

FIELDS = ("from", "to", "cc", "subject")
SPELLINGS = {"sender": "from"}
NAMED = re.compile(r"(?:^|[\s,;])([A-Za-z_-]+):")

Filter = Mapping[str, tuple[str, ...]]
"""Header -> texts of which it must hold one."""


def accepts(wanted: Filter, headers: Mapping[str, str]) -> bool:
    """Whether every header that the filter names holds one of its texts, in whatever case."""
    return all(
        any(text in headers.get(name, "").casefold() for text in texts) for name, texts in wanted.items() if texts
    )


def read_filter(written: Any) -> Filter:
    """The filter as it is written. Raises PermanentError for one with a name that no message has."""
    pairs = written.items() if isinstance(written, Mapping) else split(str(written or ""))
    found: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        field = SPELLINGS.get(str(name).lower(), str(name).lower())
        if field not in FIELDS:
            raise PermanentError(f"the filter names {str(name)[:40]!r}; known are {', '.join(FIELDS)}")
        texts = texts_of(value) if isinstance(value, list | tuple) else [str(value).strip()]
        found[field] = (*found.get(field, ()), *(text.casefold() for text in texts if text))
    return found


def split(text: str) -> Iterator[tuple[str, str]]:
    """Names and values of a text; what stands before any name is of the subject."""
    marks = list(NAMED.finditer(text))
    before = text[: marks[0].start()] if marks else text
    if before.strip(" ,;"):
        yield "subject", bare(before)
    for mark, after in zip(marks, [*marks[1:], None], strict=False):
        yield mark[1], bare(text[mark.end() : after.start() if after else None])


def bare(text: str) -> str:
    """A value without what separates it from the next, and without quotes."""
    return text.strip(" \t\n,;").strip("\"'")


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """What can be known before it listens: a filter with a name that no message has."""
    written = known.get("filter")
    if written is None:
        return
    names = written if isinstance(written, Mapping) else [mark[1] for mark in NAMED.finditer(str(written))]
    for name in names:
        if str(name).lower() not in (*FIELDS, *SPELLINGS):
            path = ("filter", str(name)) if isinstance(written, Mapping) else ("filter",)
            message = f"the filter names {str(name)[:40]!r}; known are {', '.join(FIELDS)}"
            yield ParameterFault(path, message, did_you_mean(str(name), FIELDS))
