"""Values of a run as ordinary JSON, for those outside: nothing here is ever read back."""

from __future__ import annotations

from typing import Any

import orjson

__all__ = ["to_json"]


def to_json(value: Any) -> bytes:
    """Encode a value; what JSON has no form for becomes the text a person would write for it."""
    try:
        return orjson.dumps(value, default=plain)
    except TypeError:  # a whole number above 64 bits, a key that is not a text, or nesting beyond bounds
        return slow_json(value)


def slow_json(value: Any) -> bytes:
    """The same through the standard library, which knows big numbers."""
    import json

    try:
        return json.dumps(with_text_keys(value, 0), default=plain, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )
    except (ValueError, RecursionError):
        return b'"(a value that is nested too deeply to be shown)"'


def with_text_keys(value: Any, depth: int) -> Any:
    """Give every mapping text keys, and numbers that JSON cannot say their place as null."""
    if depth > 200:
        raise RecursionError
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else str(key): with_text_keys(part, depth + 1) for key, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [with_text_keys(part, depth + 1) for part in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def plain(value: Any) -> Any:
    """The JSON form of what JSON does not know."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, BaseException) or callable(value):
        return repr(value)[:200]
    return str(value)
