"""The extension attributes that mean something to the platform itself."""

from __future__ import annotations

from dataclasses import replace

from intellyhub_engine.events import Event

__all__ = ["ADDRESS", "HOPS", "without_extensions"]

ADDRESS = "flow"
"""Names the flow an event is for: its id, or its slug."""
HOPS = "intellyhubhops"
"""How many events lie between this one and the one from outside."""


def without_extensions(event: Event, *names: str) -> Event:
    """The event without these extension attributes."""
    if not any(name in event.extensions for name in names):
        return event
    return replace(event, extensions={name: value for name, value in event.extensions.items() if name not in names})
