"""A service as the other modules here see it: no database, no web."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from intellyhub_engine.frozen import dataclass

__all__ = ["ServiceFacts", "same_type"]

SPELLINGS = {"postgres": "postgresql", "mongo": "mongodb", "elastic": "elasticsearch"}


@dataclass(frozen=True, kw_only=True)
class ServiceFacts:
    """What is known of a registered service."""

    id: str
    type: str
    location: str
    """`local` or `remote`."""
    config: Mapping[str, Any] = field(default_factory=dict)
    connection: Mapping[str, Any] = field(default_factory=dict)
    healthy: bool | None = None
    """None: it was not looked at."""
    message: str = ""

    @property
    def version(self) -> str | None:
        """What it says of its version: in its connection, or in the tag of its image."""
        written = self.connection.get("version") or self.config.get("version")
        if written:
            return str(written)
        _, _, tag = str(self.config.get("image") or "").rpartition("/")[2].partition(":")
        found = re.match(r"v?(\d+(?:\.\d+)*)", tag)
        return found[1] if found else None


def same_type(kind: str) -> str:
    """One spelling of a service's type."""
    folded = kind.strip().lower()
    return SPELLINGS.get(folded, folded)
