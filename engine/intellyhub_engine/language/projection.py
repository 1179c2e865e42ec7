"""What an event puts into a flow's variables (section 5.4): flat names, `event`, roots, and the listener's `output`."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import SourceType
from intellyhub_engine.events import Event
from intellyhub_engine.language.model import Listener
from intellyhub_engine.language.values import Record, wrap

__all__ = ["project"]

_PREFIXES = ("telegram_", "rss_article_", "rss_feed_", "email_", "webhook_", "mqtt_", "mcp_", "a2a_")
"""What listeners that the catalogue does not know put before their names."""

_ATTRIBUTES = ("id", "source", "type", "subject", "time")


def project(
    event: Event, source_type: SourceType | None, listener: Listener | None, *, reserved: Container[str] = ()
) -> dict[str, Any]:
    """Every name the event defines. Its data may use the source's short names or the flat ones.

    `reserved` are names that the sender of an event must not choose, such as those of secrets: keys of the spread field
    that are called so are found under `event` only.
    """
    given = _given(event.data, source_type)
    short, flat = _named(given, source_type) if source_type else _guessed(given)
    whole = Record({**{name: getattr(event, name) for name in _ATTRIBUTES}, **flat, **given, **short})
    roots = dict.fromkeys(_roots(source_type, listener), whole)
    spread = {name: value for name, value in _spread(short, source_type).items() if name not in reserved}
    return {**spread, **flat, **roots, "event": whole}


def _given(data: Any, source_type: SourceType | None) -> Record:
    """The event's data as a record; what a spread source sent bare is its spread field."""
    wrapped = wrap(data)
    if not isinstance(wrapped, Record):
        name = source_type.spread if source_type and source_type.spread else "data"
        return Record({} if wrapped is None else {name: wrapped})
    if source_type and source_type.spread and wrapped and not _knows(source_type, wrapped):
        return Record({source_type.spread: wrapped})
    return wrapped


def _knows(source_type: SourceType, data: Record) -> bool:
    known = set(source_type.fields) | {source_type.spread}
    known.update(name for names in source_type.fields.values() for name in names)
    return not known.isdisjoint(data)


def _named(given: Record, source_type: SourceType) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data by short and by flat names, whichever it came with."""
    flat: dict[str, Any] = {}
    for field, names in source_type.fields.items():
        found = next((name for name in (field, *names) if name in given), None)
        if found is not None:
            flat.update(dict.fromkeys(names, given[found]))
    short: dict[str, Any] = dict(given)
    for field, names in source_type.fields.items():
        known = next((name for name in names if name in flat), None)
        if known is not None:
            short.setdefault(field, flat[known])  # two short names may share a flat one
    return short, flat


def _guessed(given: Record) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data of a source that the catalogue does not know: all its keys are variables."""
    flat = {name: value for name, value in given.items() if _is_name(name)}
    short = {
        name[len(prefix) :]: value for name, value in flat.items() for prefix in _PREFIXES if name.startswith(prefix)
    }
    return {**short, **given}, flat


def _spread(short: Mapping[str, Any], source_type: SourceType | None) -> dict[str, Any]:
    body = short.get(source_type.spread) if source_type and source_type.spread else None
    return {name: value for name, value in body.items() if _is_name(name)} if isinstance(body, Record) else {}


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name.isidentifier() and not name.startswith("__")


def _roots(source_type: SourceType | None, listener: Listener | None) -> list[str]:
    names = (source_type.root if source_type else None, listener.output if listener else None)
    return [name for name in names if name]
