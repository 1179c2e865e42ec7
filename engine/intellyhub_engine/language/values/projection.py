"""What an event puts into a flow's variables (section 5.4): flat names, `event`, roots, and the listener's `output`."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from intellyhub_engine.catalogue.manifest import SourceType
from intellyhub_engine.events import Event
from intellyhub_engine.language.model import Listener
from intellyhub_engine.language.values.values import Record, wrap

__all__ = ["Projection", "project"]

_PREFIXES = ("telegram_", "rss_article_", "rss_feed_", "email_", "webhook_", "mqtt_", "mcp_", "a2a_")
"""What listeners that the catalogue does not know put before their names."""


class Projection:
    """What the events of one listener define. Made once; each event is then a call."""

    __slots__ = ("_fields", "_known", "_roots", "_spread", "knows_source")

    def __init__(self, source_type: SourceType | None, listener: Listener | None) -> None:
        self.knows_source = source_type is not None and not source_type.open_fields
        self._spread = source_type.spread if source_type else None
        self._fields = tuple(source_type.fields.items()) if source_type else ()
        self._known = frozenset([self._spread, *(name for field, names in self._fields for name in (field, *names))])
        self._roots = _roots(source_type, listener)

    def __call__(self, event: Event, *, reserved: Container[str] = ()) -> dict[str, Any]:
        """Every name the event defines. Its data may use the source's short names or the flat ones.

        `reserved` are names that the sender of an event must not choose, such as those of secrets: keys of the spread
        field that are called so are found under `event` only.
        """
        given = self._given(event.data)
        short, flat = self._named(given) if self.knows_source else _guessed(given)
        whole = Record(id=event.id, source=event.source, type=event.type, subject=event.subject, time=event.time)
        whole.update(flat)
        whole.update(short)
        names: dict[str, Any] = {}
        spread = short.get(self._spread) if self._spread else None
        if isinstance(spread, Record):
            names = {name: value for name, value in spread.items() if _is_name(name) and name not in reserved}
        names.update(flat)
        for root in self._roots:
            names[root] = whole
        names["event"] = whole
        return names

    def _given(self, data: Any) -> Record:
        """The event's data as a record; what a spread source sent bare is its spread field."""
        wrapped = wrap(data)
        if not isinstance(wrapped, Record):
            return Record({} if wrapped is None else {self._spread or "data": wrapped})
        if self._spread and wrapped and self._known.isdisjoint(wrapped):
            return Record({self._spread: wrapped})
        return wrapped

    def _named(self, given: Record) -> tuple[dict[str, Any], dict[str, Any]]:
        """The data by short and by flat names, whichever it came with."""
        flat: dict[str, Any] = {}
        for field, names in self._fields:
            found = field if field in given else next((name for name in names if name in given), None)
            if found is not None:
                value = given[found]
                for name in names:
                    flat[name] = value
        short: dict[str, Any] = dict(given)
        for field, names in self._fields:
            if field not in short:  # two short names may share a flat one
                known = next((name for name in names if name in flat), None)
                if known is not None:
                    short[field] = flat[known]
        return short, flat


def project(
    event: Event, source_type: SourceType | None, listener: Listener | None, *, reserved: Container[str] = ()
) -> dict[str, Any]:
    """Every name one event defines, as `Projection` says."""
    return Projection(source_type, listener)(event, reserved=reserved)


def _guessed(given: Record) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data of a source that the catalogue does not know: all its keys are variables."""
    flat = {name: value for name, value in given.items() if _is_name(name)}
    short = {
        name[len(prefix) :]: value for name, value in flat.items() for prefix in _PREFIXES if name.startswith(prefix)
    }
    return {**short, **given}, flat


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name.isidentifier() and name[:2] != "__"


def _roots(source_type: SourceType | None, listener: Listener | None) -> list[str]:
    names = (source_type.root if source_type else None, listener.output if listener else None)
    return [name for name in names if name]
