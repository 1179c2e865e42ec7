"""What a postgres listener can never do, told before it listens."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.sources.postgres.address import read_parts

__all__ = ["examine"]

MOST_BYTES = 63
"""PostgreSQL cuts longer names, and would then listen to another channel."""


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """The server's address, and names that PostgreSQL would cut."""
    if known.get("url") is not None:
        try:
            read_parts(text_of(known["url"]).strip())
        except PermanentError as fault:
            yield ParameterFault(("url",), str(fault))
    for name in ("table", "channel"):
        parts = text_of(known.get(name)).split(".") if name == "table" else [text_of(known.get(name))]
        if any(len(part.encode()) > MOST_BYTES for part in parts):
            yield ParameterFault(
                (name,), f"the {name}'s name is longer than the {MOST_BYTES} bytes that PostgreSQL reads"
            )
