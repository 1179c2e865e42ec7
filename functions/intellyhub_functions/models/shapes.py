"""Reading what a server sent, which may be of any shape: what is not as expected is as if it were not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["count", "is_strict", "part", "text"]

MOST_TOKENS = 1 << 40


def part(whole: Any, key: str | int) -> Any:
    """An entry of a mapping or a list; None where there is none."""
    if isinstance(whole, Mapping):
        return whole.get(key)
    if isinstance(whole, list) and isinstance(key, int) and key < len(whole):
        return whole[key]
    return None


def text(whole: Any, key: str) -> str:
    """The text of an entry; empty where it is none."""
    found = part(whole, key)
    return found if isinstance(found, str) else ""


def count(whole: Any, key: str) -> int:
    """A number of tokens; 0 where it is none."""
    found = part(whole, key)
    return min(found, MOST_TOKENS) if type(found) is int and found > 0 else 0


def is_strict(schema: Any) -> bool:
    """Whether the schema is one that a server can hold the model to: every object names all its properties as required
    and allows no others (https://platform.openai.com/docs/guides/structured-outputs#supported-schemas)."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties")
        named = isinstance(properties, Mapping) and set(schema.get("required") or ()) == set(properties)
        if not named or schema.get("additionalProperties") is not False:
            return False
    return all(map(is_strict, schema.values()))
