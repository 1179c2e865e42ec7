"""A CloudEvent 1.0 as a frozen value (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from intellyhub_engine.frozen import dataclass

__all__ = ["Event"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """What started a run, or what a run emits. (`source`, `id`) is its identity."""

    id: str
    source: str
    type: str
    data: Any = None
    subject: str | None = None
    time: str | None = None
    """RFC 3339, as the producer wrote it."""
    datacontenttype: str | None = None
    dataschema: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)
