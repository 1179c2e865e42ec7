"""Every text inside a value, changed: what masking and hiding have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from intellyhub_engine.language.values.records import TextRecord, ValueRecord

__all__ = ["map_texts"]


def map_texts(value: Any, change: Callable[[str], str], number: Callable[[int | float], Any] | None = None) -> Any:
    """A value of the same shape and types, every text in it given to `change`, keys and bytes included, and every
    number to `number`. Objects of other kinds stay as they are."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return number(value) if number else value
    if isinstance(value, dict):
        entries = {map_texts(key, change, number): map_texts(item, change, number) for key, item in dict.items(value)}
        return like(value, entries)
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(map_texts(item, change, number) for item in value)
    if isinstance(value, bytes):
        return change(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    return value


def like(value: dict[Any, Any], entries: dict[Any, Any]) -> dict[Any, Any]:
    """A record of the same kind: a text record keeps its text's key, one without its class the name of that."""
    if isinstance(value, TextRecord):
        return TextRecord(entries, value.text_key)
    if type(value) is ValueRecord:
        return ValueRecord.unloaded(value.kept_type(), entries)
    return type(value)(entries)
