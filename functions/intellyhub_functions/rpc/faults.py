"""What a state that asks a server can never do, told before the flow runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.language.values.values import text_of

__all__ = ["find_address_fault", "given_names"]


def given_names(known: Mapping[str, Any], unknown: Collection[str]) -> frozenset[str]:
    """The parameters that have a value, or may have one."""
    return frozenset(name for name, value in known.items() if value not in (None, "")) | frozenset(unknown)


def find_address_fault(known: Mapping[str, Any]) -> Iterator[ParameterFault]:
    """A `url` that is none."""
    written = text_of(known.get("url")).strip()
    try:
        parts = urlsplit(written)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if written and not is_address:
        yield ParameterFault(("url",), f"url: {written[:100]!r} is not an http or https address")
