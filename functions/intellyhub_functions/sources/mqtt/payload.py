"""A message's payload as event data: JSON, text, or bytes."""

from __future__ import annotations

import base64
from typing import Any

import orjson

__all__ = ["FORMATS", "PayloadRefused", "read_payload"]

FORMATS = ("auto", "json", "text", "bytes")


class PayloadRefused(Exception):
    """The payload is not what the listener says that it is."""


def read_payload(payload: bytes, wanted: str) -> tuple[Any, str]:
    """The value, and what it was read as: `json`, `text` or `base64`. Raises PayloadRefused."""
    if wanted == "bytes":
        return base64.b64encode(payload).decode(), "base64"
    if wanted in ("json", "auto"):
        try:
            return orjson.loads(payload), "json"
        except orjson.JSONDecodeError as fault:
            if wanted == "json":
                raise PayloadRefused(f"it is no JSON: {fault}") from fault
    try:
        return payload.decode(), "text"
    except UnicodeDecodeError as fault:
        if wanted == "text":
            raise PayloadRefused("it is no text in UTF-8") from fault
        return base64.b64encode(payload).decode(), "base64"
