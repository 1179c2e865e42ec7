"""Names in addresses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from itertools import chain, count
from pathlib import PurePosixPath

__all__ = ["make_slug", "name_in", "stem_of", "unused_slug"]

LONGEST = 63
"""A label of the domain name system (RFC 1035), as slugs become host and resource names on a cluster."""
ROOM_FOR_NUMBER = 56


def make_slug(name: str, instead: str) -> str:
    """`Más Flows!` -> `mas-flows`; `instead` where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST].strip("-") or instead


def name_in(text: str, path: str) -> str:
    """The name that a text gives its flow, else that of its file (`-`: none)."""
    import yaml  # late: the command line needs it now and then only

    try:
        document = yaml.load(text, yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader)  # noqa: S506 - both are safe
    except (yaml.YAMLError, RecursionError, ValueError):
        document = None
    named = document.get("name") if isinstance(document, dict) else None
    return (named.strip() if isinstance(named, str) else "") or PurePosixPath(path).stem.removeprefix("-") or "flow"


def stem_of(slug: str) -> str:
    """What the slug begins with, and all that are made of it by a number."""
    return slug[:ROOM_FOR_NUMBER].strip("-")


def unused_slug(slug: str, used: Collection[str]) -> str:
    """The slug, or the first of `slug-2`, `slug-3`, ... that is free. `used` holds those with the same stem."""
    numbered = (f"{stem_of(slug)}-{number}" for number in count(2))
    return next(each for each in chain((slug,), numbered) if each not in used)
