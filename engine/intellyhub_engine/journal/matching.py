"""Whether an event is the one a run waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.events import Event

__all__ = ["event_key", "event_matches"]

_CORE = frozenset({"id", "source", "type", "subject", "time", "datacontenttype", "dataschema"})


def event_matches(event: Event, event_filter: Mapping[str, Any]) -> bool:
    """Whether every attribute the filter names has that value, compared as CloudEvents write them in headers."""
    return all(_attribute(event, name) == _text(value) for name, value in event_filter.items())


def event_key(event: Event) -> tuple[str, str]:
    """Source and id, by which an event is the same one, as a journal can keep them."""
    return event.source.encode(errors="replace").decode(), event.id.encode(errors="replace").decode()


def _attribute(event: Event, name: str) -> str | None:
    value = getattr(event, name) if name in _CORE else event.extensions.get(name)
    return None if value is None else _text(value)


def _text(value: Any) -> str:
    # https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system: booleans are true and false.
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
