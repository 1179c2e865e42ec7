"""A value as the bytes of a file, and a file's bytes as a value."""

from __future__ import annotations

import json
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import TextRecord, text_of

__all__ = ["from_bytes", "to_bytes"]


def to_bytes(content: Any, encoding: str) -> bytes:
    """Text as it is, bytes as they are, lists and mappings as JSON; None is an empty file."""
    if isinstance(content, bytes):
        return content
    structured = isinstance(content, dict | list | tuple | set | frozenset) and not isinstance(content, TextRecord)
    text = json.dumps(content, ensure_ascii=False, indent=2, default=to_json) if structured else text_of(content)
    try:
        return text.encode(encoding)
    except (LookupError, ValueError) as fault:
        raise PermanentError(f"the content cannot be stored as {encoding}: {fault}") from fault


def to_json(value: Any) -> Any:
    """What JSON does not know: sets as lists, everything else as its text."""
    return sorted(value, key=str) if isinstance(value, set | frozenset) else text_of(value)


def from_bytes(stored: bytes, form: str, encoding: str, name: str) -> Any:
    """The content in the form asked for: text, json or bytes."""
    if form == "bytes":
        return stored
    try:
        text = stored.decode(encoding)
        return json.loads(text) if form == "json" else text
    except (LookupError, UnicodeError) as fault:
        raise PermanentError(f"{name} is not text in {encoding}; `format: bytes` reads any file") from fault
    except (ValueError, RecursionError) as fault:
        raise PermanentError(f"{name} is not JSON: {fault}") from fault
