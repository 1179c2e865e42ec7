"""How the text of one variable is read. Readers raise `ValueError` with the end of a sentence about the variable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import orjson

__all__ = ["Read", "extensions", "keys", "one_of", "read_fields", "seconds", "text", "whole"]

Read = Callable[[str], Any]
LEAST_KEY_LENGTH = 16


def read_fields(settings: Any, environment: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """What the environment says for the fields of a class of settings, whose metadata name a `variable` and how to
    `read` it; and every variable that cannot be used. Empty means unset."""
    values: dict[str, Any] = {}
    faults = []
    for part in fields(settings):
        written = environment.get(part.metadata["variable"], "").strip()
        try:
            if written:
                values[part.name] = part.metadata["read"](written)
        except ValueError as fault:
            faults.append(f"{part.metadata['variable']} {fault}")
    return values, faults


def text(value: str) -> str:
    """Any text."""
    return value


def one_of(*choices: str) -> Read:
    """One of these words."""

    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"is {value!r}; it must be one of {', '.join(choices)}")
        return value

    return read


def whole(least: int, most: int) -> Read:
    """A whole number within bounds."""

    def read(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
            raise ValueError(f"is {value!r}; it must be a whole number from {least} to {most}")
        return int(value)

    return read


def seconds(least: float, most: float) -> Read:
    """A number of seconds within bounds."""

    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not least <= number <= most:
            raise ValueError(f"is {value!r}; it must be a number of seconds from {least:g} to {most:g}")
        return number

    return read


def keys(value: str) -> tuple[str, ...]:
    """Several secrets, separated by commas, so that they can be rotated: all are accepted, the first one signs."""
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    if any(len(part) < LEAST_KEY_LENGTH for part in found):
        raise ValueError(f"holds a secret that is shorter than {LEAST_KEY_LENGTH} characters")
    return found


def extensions(value: str) -> tuple[tuple[str, str], ...]:
    """Knative's `{"extensions": {name: value}}`."""
    try:
        found = orjson.loads(value)["extensions"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise ValueError('is not {"extensions": {...}}') from None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise ValueError("has extensions that are not texts")
    return tuple(found.items())
