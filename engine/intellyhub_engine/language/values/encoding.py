"""Values as JSON bytes with tags: exact both ways for everything `wrap` gives.

What JSON says exactly stands as it is. Everything else is an object whose key `$` names the kind:
`{"$": "date", "v": "2026-01-31"}`. A record that itself has a key `$`, or keys that are not text, is kept as pairs.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

import orjson

from intellyhub_engine.errors import ValueRefused
from intellyhub_engine.language.values.records import Record, TextRecord, ValueRecord

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NODES",
    "decode",
    "encode",
    "revive",
    "too_big",
    "too_deep",
    "too_many",
    "zone_key",
]

MAX_DEPTH = 100
"""Levels of nesting; JSON libraries stop at about twice that, and tags can double it."""
MAX_NODES = 1_000_000
"""Values in one value, itself included."""
MAX_BYTES = 32 * 1024 * 1024
"""Size of one encoded value, and of one text."""

_INT_LOW, _INT_HIGH = -(2**63), 2**63 - 1


def too_deep() -> ValueRefused:
    """The fault of a value that nests beyond `MAX_DEPTH`, or contains itself."""
    return ValueRefused(f"the value is nested more than {MAX_DEPTH} levels deep, or contains itself")


def too_big(size: int) -> ValueRefused:
    """The fault of a value of `size` bytes."""
    return ValueRefused(f"the value takes {size:,} bytes; a variable may take {MAX_BYTES:,}. Keep it in a file")


def too_many() -> ValueRefused:
    """The fault of a value with more than `MAX_NODES` parts."""
    return ValueRefused(f"the value has more than {MAX_NODES:,} parts; keep it in a file")


def encode(value: Any) -> bytes:
    """The value as UTF-8 JSON with tags. Raises `ValueRefused` for what `wrap` would refuse or change."""
    try:
        encoded = orjson.dumps(
            value if _is_plain(value, MAX_DEPTH, [MAX_NODES]) else _tag(value, MAX_DEPTH, [MAX_NODES])
        )
    except orjson.JSONEncodeError:  # lone surrogates, or more nesting than orjson writes; it reads both
        encoded = json.dumps(_tag(value, MAX_DEPTH, [MAX_NODES]), separators=(",", ":")).encode()
    if len(encoded) > MAX_BYTES:
        raise too_big(len(encoded))
    return encoded


def decode(encoded: bytes) -> Any:
    """The value again. Value records come back without their class until `revive` gives it to them."""
    return _untag(orjson.loads(encoded))


def revive(value: Any, types: Mapping[str, Callable[[], type[ValueRecord]]]) -> Any:
    """The value with the classes of its value records loaded; `types` is a catalogue's `values`."""
    kind = type(value)
    if kind is list or kind is tuple:
        return kind(revive(item, types) for item in value)
    if not isinstance(value, dict):
        return value
    entries = {key: revive(item, types) for key, item in value.items()}
    if isinstance(value, TextRecord):
        return TextRecord(entries, value.text_key)
    if not isinstance(value, ValueRecord):
        return Record(entries)
    load = types.get(value.kept_type())
    return load()(entries) if load else ValueRecord.unloaded(value.kept_type(), entries)


def _is_plain(value: Any, depth: int, room: list[int]) -> bool:
    """Whether plain JSON says it exactly; texts are tried later."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(_INT_LOW <= value <= _INT_HIGH)
    if kind is float:
        return bool(math.isfinite(value))
    if kind is list:
        _enter(value, depth, room)
        return all(_is_plain(item, depth - 1, room) for item in value)
    if kind is Record and "$" not in value:
        _enter(value, depth, room)
        return all(type(key) is str and _is_plain(item, depth - 1, room) for key, item in value.items())
    return False


def _enter(value: Any, depth: int, room: list[int]) -> None:
    if depth <= 0:
        raise too_deep()
    room[0] -= len(value)
    if room[0] < 0:
        raise too_many()


def _tag(value: Any, depth: int, room: list[int]) -> Any:
    if isinstance(value, Record):
        _enter(dict.keys(value), depth, room)
        return _tag_record(value, depth, room)
    kind = type(value)
    if kind in _SEQUENCES:
        _enter(value, depth, room)
        items = [_tag(item, depth - 1, room) for item in value]
        return items if kind is list else {"$": _SEQUENCES[kind], "v": items}
    writer = _WRITERS.get(kind)
    if writer is None:
        raise ValueRefused(f"a {kind.__name__} cannot be the value of a variable")
    return writer(value)


def _tag_record(record: Record, depth: int, room: list[int]) -> Any:
    pairs = [(key, _tag(item, depth - 1, room)) for key, item in dict.items(record)]
    if "$" in dict.keys(record) or not all(type(key) is str and _is_utf8(key) for key, _ in pairs):
        body: Any = {"$": "record", "v": [[_tag(key, depth - 1, room), item] for key, item in pairs]}
    else:
        body = dict(pairs)
    if isinstance(record, TextRecord):
        return {"$": "text", "key": record.text_key, "v": body}
    if isinstance(record, ValueRecord):
        return {"$": "value", "type": record.kept_type(), "v": body}
    return body


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write_text(text: str) -> Any:
    return (
        text if _is_utf8(text) else {"$": "str", "v": base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()}
    )


def _write_int(number: int) -> Any:
    return number if _INT_LOW <= number <= _INT_HIGH else {"$": "int", "v": hex(number)}


def _write_float(number: float) -> Any:
    return number if math.isfinite(number) else {"$": "float", "v": repr(number)}


def _write_moment(moment: datetime | time) -> Any:
    kept: dict[str, Any] = {"$": type(moment).__name__, "v": moment.replace(tzinfo=None).isoformat()}
    if moment.fold:
        kept["fold"] = 1
    if zone := zone_key(moment.tzinfo):
        return {**kept, "zone": zone}
    return {**kept, "v": moment.isoformat()}


def _read_moment(kept: dict[str, Any]) -> datetime | time:
    kind: type[datetime] | type[time] = datetime if kept["$"] == "datetime" else time
    moment = kind.fromisoformat(kept["v"])
    zone = _find_zone(kept["zone"]) if "zone" in kept else moment.tzinfo
    return moment.replace(tzinfo=zone, fold=kept.get("fold", 0))


def zone_key(zone: tzinfo | None) -> str | None:
    """The name of a zone of the time zone database; None for fixed offsets and foreign classes."""
    if zone is None or isinstance(zone, timezone):
        return None
    from zoneinfo import ZoneInfo  # two milliseconds, which few flows have a use for

    return zone.key if isinstance(zone, ZoneInfo) else None


def _find_zone(key: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(key)


_SEQUENCES: dict[type[Any], str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}

_WRITERS: dict[type, Callable[[Any], Any]] = {
    type(None): lambda value: value,
    bool: lambda value: value,
    str: _write_text,
    int: _write_int,
    float: _write_float,
    bytes: lambda value: {"$": "bytes", "v": base64.b64encode(value).decode()},
    Decimal: lambda value: {"$": "decimal", "v": str(value)},
    datetime: _write_moment,
    time: _write_moment,
    date: lambda value: {"$": "date", "v": value.isoformat()},
    timedelta: lambda value: {"$": "timedelta", "v": [value.days, value.seconds, value.microseconds]},
}

_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "str": lambda kept: base64.b64decode(kept["v"]).decode("utf-8", "surrogatepass"),
    "int": lambda kept: int(kept["v"], 16),
    "float": lambda kept: float(kept["v"]),
    "bytes": lambda kept: base64.b64decode(kept["v"]),
    "decimal": lambda kept: Decimal(kept["v"]),
    "datetime": _read_moment,
    "time": _read_moment,
    "date": lambda kept: date.fromisoformat(kept["v"]),
    "timedelta": lambda kept: timedelta(*kept["v"]),
    "tuple": lambda kept: tuple(_untag(kept["v"])),
    "set": lambda kept: set(_untag(kept["v"])),
    "frozenset": lambda kept: frozenset(_untag(kept["v"])),
    "record": lambda kept: Record((_untag(key), _untag(item)) for key, item in kept["v"]),
    "text": lambda kept: TextRecord(_untag(kept["v"]), kept["key"]),
    "value": lambda kept: ValueRecord.unloaded(kept["type"], _untag(kept["v"])),
}


def _untag(kept: Any) -> Any:
    kind = type(kept)
    if kind is list:
        return [_untag(item) if type(item) in _NESTED else item for item in kept]
    if kind is not dict:
        return kept
    tag = kept.get("$")
    if tag is not None:
        return _READERS[tag](kept)
    return Record({key: _untag(item) if type(item) in _NESTED else item for key, item in kept.items()})


_NESTED = frozenset({list, dict})
