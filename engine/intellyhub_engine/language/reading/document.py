"""A flow text as plain values, and where each of them stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from yaml.events import Event, ScalarEvent

from intellyhub_engine.language.problems import Position, Problem

__all__ = ["Document", "Duplicate", "place_of"]

WHOLE = object()


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A key that stands twice in one mapping; the place is that of the second."""

    container: int
    key: Any
    event: Event | None


class Document:
    """What a text says: `root` is made of dict, list and scalars; `digest` is the sha256 of the text, hex.

    Places are looked up by the identity of the dict or list that holds a value, so that reading costs nothing for
    the values nobody complains about.
    """

    __slots__ = ("digest", "duplicates", "problems", "root", "started", "table", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.root: Any = None
        self.digest = ""
        self.started = False
        self.problems: list[Problem] = []
        self.duplicates: list[Duplicate] = []
        self.table: dict[int, tuple[Any, Event, Any]] = {}
        """id -> (the container, so that its id stays its own; its event; places of its keys and values)"""

    def event_of(self, container: Any, key: Any = WHOLE) -> Event | None:
        """What the parser said of the value under `key`, or of the container itself."""
        row = self.table.get(id(container))
        if row is None or key is WHOLE:
            return row[1] if row else None
        places = row[2]
        if isinstance(places, dict):
            pair = places.get(key)
            return pair[1] if pair else None
        return places[key] if isinstance(key, int) and key < len(places) else None

    def position_of(self, container: Any, key: Any = WHOLE) -> Position | None:
        """Where a value stands, or the container itself."""
        event = self.event_of(container, key)
        return place_of(event) if event is not None else None

    def key_position(self, container: Any, key: Any) -> Position | None:
        """Where a key stands."""
        event = self._key_event(container, key)
        return place_of(event) if event is not None else None

    def key_text(self, container: Any, key: Any) -> str:
        """A key as its author wrote it: a state called `1` or `true` is text."""
        if isinstance(key, str):
            return key
        event = self._key_event(container, key)
        return event.value if isinstance(event, ScalarEvent) else str(key)

    def value_text(self, container: Any, key: Any) -> str:
        """A scalar as its author wrote it."""
        event = self.event_of(container, key)
        return event.value if isinstance(event, ScalarEvent) else str(container[key])

    def _key_event(self, container: Any, key: Any) -> Event | None:
        row = self.table.get(id(container))
        pair = row[2].get(key) if row and isinstance(row[2], dict) else None
        return pair[0] if pair else None

    def within(self, event: Event | None, offset: int | None) -> Position | None:
        """Where the character `offset` of a scalar's value stands; exact for one line and for `|` blocks."""
        if event is None:
            return None
        if offset is None or not isinstance(event, ScalarEvent):
            return place_of(event)
        if event.style in ("|", ">"):
            return self._within_block(event, offset)
        quote = 1 if event.style in ("'", '"') else 0
        start = place_of(event)
        if event.end_mark is None or start.line != event.end_mark.line + 1:
            return start
        return Position(line=start.line, column=start.column + quote + offset)

    def _within_block(self, event: ScalarEvent, offset: int) -> Position:
        lines = self.text.splitlines()
        header = place_of(event).line
        first = header
        while first < len(lines) - 1 and not lines[first].strip():
            first += 1
        margin = len(lines[first]) - len(lines[first].lstrip(" ")) if first < len(lines) else 0
        before = event.value[:offset]
        if event.style == ">":
            return Position(line=first + 1, column=margin + 1)
        line = header + 1 + before.count("\n")
        return Position(line=line, column=margin + offset - (before.rfind("\n") + 1) + 1)


def place_of(event: Event) -> Position:
    """The first character of what the parser found."""
    mark = event.start_mark
    return Position(line=mark.line + 1, column=mark.column + 1) if mark else Position(line=1, column=1)
