"""Reads typed keys out of a manifest's JSON and collects what is wrong with them, so that all faults come at once."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeVar

from intellyhub_engine.errors import InputInvalid

__all__ = ["Faults"]

Choice = TypeVar("Choice", bound=StrEnum)


class Faults:
    """The faults of one file. Each reader gives a usable value even where the key is wrong, and notes the fault."""

    def __init__(self, file: str, prefix: str = "", found: list[str] | None = None) -> None:
        self._file = file
        self._prefix = prefix
        self._found: list[str] = [] if found is None else found

    def under(self, prefix: str) -> Faults:
        """Read below `prefix`, into the same collection."""
        return Faults(self._file, f"{self._prefix}{prefix}.", self._found)

    def add(self, key: str, message: str) -> None:
        """Note one fault."""
        fault = f"{self._prefix}{key}: {message}"
        if fault not in self._found:
            self._found.append(fault)

    def raise_any(self) -> None:
        """Raise InputInvalid with every fault noted, if there is any."""
        if self._found:
            raise InputInvalid(f"{self._file}: the manifest is invalid: {'; '.join(self._found)}")

    def text(self, body: dict[str, Any], key: str, *, required: bool = False) -> str:
        """A string; empty where it is missing or not one."""
        value = body.get(key)
        if value is None:
            if required:
                self.add(key, "is missing")
            return ""
        if not isinstance(value, str):
            self.add(key, f"must be text, not {type(value).__name__}")
            return ""
        return value

    def boolean(self, body: dict[str, Any], key: str, default: bool) -> bool:
        """True or false."""
        value = body.get(key, default)
        if not isinstance(value, bool):
            self.add(key, "must be true or false")
            return default
        return value

    def number(self, body: dict[str, Any], key: str) -> float | None:
        """A number, or None where it is missing."""
        value = body.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            self.add(key, "must be a number")
            return None
        return value

    def mapping(self, body: dict[str, Any], key: str, place: str | None = None) -> dict[str, Any]:
        """A JSON object; empty where it is missing."""
        value = body.get(key, {})
        if not isinstance(value, dict):
            self.add(place or key, "must be an object")
            return {}
        return value

    def array(self, body: dict[str, Any], key: str, place: str | None = None) -> list[Any]:
        """A JSON array; empty where it is missing."""
        value = body.get(key, [])
        if not isinstance(value, list):
            self.add(place or key, "must be an array")
            return []
        return value

    def names(self, value: Any, place: str) -> tuple[str, ...]:
        """An array of strings."""
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            self.add(place, "must be an array of names")
            return ()
        return tuple(value)

    def choice(self, body: dict[str, Any], key: str, choices: type[Choice], default: Choice) -> Choice:
        """One of an enum's values."""
        value = body.get(key, default.value)
        if value not in list(choices):
            self.add(key, f"{value!r} is not one of {', '.join(choices)}")
            return default
        return choices(value)
