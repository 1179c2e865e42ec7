"""Where the parts of a parsed flow stand in its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from intellyhub_engine.language.problems import Position
from intellyhub_engine.language.reading.document import Document, place_of

__all__ = ["Place", "Places"]

Place = tuple[Any, Any]
"""The mapping or list of the text that holds a value, and its key there."""


class Places:
    """State name and key -> place. A key is a canonical parameter, `->label` for a target, or `output`, `log`."""

    __slots__ = ("_document", "_places")

    def __init__(self, document: Document, places: Mapping[str, Mapping[str, Place]]) -> None:
        self._document = document
        self._places = places

    def of(self, state: str, key: str, *, offset: int | None = None) -> Position | None:
        """Where the key's value stands, or the character `offset` of it where it is text."""
        place = self._places.get(state, {}).get(key)
        return self.inside(*place, offset=offset) if place else None

    def along(self, state: str, path: Sequence[Any]) -> Position | None:
        """Where a way leads that begins with a key and goes on into its value, as far as the text has it: to the value
        of the first key, to keys of mappings and to items of lists within."""
        found = self._places.get(state, {}).get(path[0])
        if found is None:
            return None
        container, key = found
        position = self.inside(container, key)
        for part in path[1:]:
            container, key = container[key], part
            deeper = self._document.key_position(container, key) or self.inside(container, key)
            if deeper is None:
                break
            position = deeper
        return position

    def inside(self, container: Any, key: Any, *, offset: int | None = None) -> Position | None:
        """Where a value within a mapping or list of the text stands."""
        return self._document.within(self._document.event_of(container, key), offset)

    def variable(self, name: str, *, offset: int | None = None) -> Position | None:
        """Where a value of the `variables` block stands."""
        block = self._document.root.get("variables")
        key = next((each for each in block if self._document.key_text(block, each) == name), None)
        return self.inside(block, key, offset=offset) if key is not None else None

    def top(self, key: str) -> Position | None:
        """Where a top-level key of the flow stands."""
        event = self._document.event_of(self._document.root, key)
        return place_of(event) if event is not None else None
