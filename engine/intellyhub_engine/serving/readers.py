"""How the text of one variable is read. Readers raise `ValueError` with the end of a sentence about the variable."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Any

import orjson

__all__ = [
    "Read",
    "extensions",
    "host_and_port",
    "keys",
    "one_of",
    "paths",
    "postgresql",
    "read_fields",
    "seconds",
    "text",
    "variable",
    "web_address",
    "whole",
]

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


def variable(name: str, default: Any, read: Read = text, *, shown: bool = True) -> Any:
    """A field of settings for `read_fields`, which the variable `name` changes; one with a secret is not `shown`."""
    metadata = {"variable": name, "read": read}
    if default == {}:
        return field(default_factory=dict, repr=shown, metadata=metadata)
    return field(default=default, repr=shown, metadata=metadata)


def web_address(value: str) -> str:
    """An http or https address, without a slash at its end."""
    if not value.startswith(("http://", "https://")):
        raise ValueError("is no address such as https://flows.example.org")
    return value.rstrip("/")


def host_and_port(value: str) -> tuple[str, int]:
    """`host:port` or `[address]:port`, to listen at or to connect to."""
    host, _, port = value.rpartition(":")
    if not host or "/" in host or not port.isascii() or not port.isdigit() or not int(port) < 1 << 16:
        raise ValueError(f"is {value!r}; it must be a host with a port, such as 127.0.0.1:8081")
    return host.strip("[]"), int(port)


def postgresql(value: str) -> str:
    """A database's address as PostgreSQL's own library takes it, from SQLAlchemy's too. It may hold a password."""
    scheme, separator, rest = value.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        raise ValueError("is no address such as postgresql://user:password@host/database")
    return f"postgresql://{rest}"


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


def paths(value: str) -> tuple[str, ...]:
    """Absolute paths, separated as in PATH."""
    found = tuple(part for part in value.split(os.pathsep) if part)
    if not all(Path(part).is_absolute() for part in found):
        raise ValueError("holds a path that is not absolute")
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
