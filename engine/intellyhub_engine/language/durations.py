"""Durations and moments as authors write them."""

from __future__ import annotations

import re
from datetime import datetime

__all__ = ["moment_of", "seconds_of"]

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
SPELLINGS = {
    "ms": ("ms", "millis", "millisecond", "milliseconds"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "week", "weeks"),
}
UNIT_NAMES = {spelling: unit for unit, spellings in SPELLINGS.items() for spelling in spellings}
PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*")
ISO = re.compile(
    r"P(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
MAX_LENGTH = 60


def seconds_of(value: object) -> float | None:
    """Seconds of a number, of `90`, `1.5h`, `1h 30m`, or of ISO 8601 such as `PT5M`; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if 0 <= value < float("inf") else None
    if not isinstance(value, str) or len(value) > MAX_LENGTH:
        return None
    text = value.strip()
    return _plain(text) or _iso(text) or _units(text.lower()) or (0.0 if text in ("0", "0s") else None)


def moment_of(value: object) -> datetime | None:
    """A moment as RFC 3339 writes it, also without an offset; None for anything else."""
    try:
        return value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None


def _plain(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


def _iso(text: str) -> float | None:
    found = ISO.fullmatch(text.upper())
    if not found or not any(found.groups()):
        return None
    return sum(float(number or 0) * UNITS[unit] for number, unit in zip(found.groups(), "wdhms", strict=True))


def _units(text: str) -> float | None:
    total, at = 0.0, 0
    while at < len(text):
        found = PART.match(text, at)
        unit = UNIT_NAMES.get(found[2]) if found else None
        if found is None or unit is None:
            return None
        total += float(found[1]) * UNITS[unit]
        at = found.end()
    return total if at else None
