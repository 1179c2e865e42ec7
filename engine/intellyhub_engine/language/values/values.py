"""What a flow's variables may hold.

The universe is closed: None, bool, int, float, str, bytes, Decimal, dates, times, durations, and lists, tuples, sets
and `Record`s of them. `wrap` brings a result into it, `text_of` shows it inside a text; `encode` and `decode` carry it
to the journal and to other processes and back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from intellyhub_engine.errors import ValueRefused
from intellyhub_engine.language.values.encoding import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    decode,
    encode,
    revive,
    too_big,
    too_deep,
    too_many,
    zone_key,
)
from intellyhub_engine.language.values.records import Record, TextRecord, ValueRecord

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NODES",
    "Record",
    "TextRecord",
    "ValueRecord",
    "check_size",
    "decode",
    "encode",
    "revive",
    "text_of",
    "wrap",
]

_SCALARS = frozenset({type(None), bool, int, float})
_SHORT = 1000
"""Texts below this length take no room."""
_SHOWN_AS_PYTHON = (dict, list, tuple, set, frozenset)


def wrap(value: Any) -> Any:
    """The value inside the universe: mappings become records, sequences and views lists, enumerations their values,
    paths and UUIDs text, dataclasses records. Containers are copied. Raises `ValueRefused` for modules, functions,
    handles and other foreign classes, for cycles, and beyond the limits."""
    if type(value) in _SCALARS:
        return value
    return _wrap(value, MAX_DEPTH, [MAX_NODES])


def text_of(value: Any) -> str:
    """What the value looks like inside a text (section 6.2): None is empty, a text record its text, the rest `str`."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, _SHOWN_AS_PYTHON) and not isinstance(value, TextRecord):
        check_size(value)
    try:
        return str(value)
    except ValueError as error:  # an integer of more digits than Python writes
        raise ValueRefused(f"the value cannot be written as text: {error}") from error


def check_size(value: Any) -> None:
    """Raises `ValueRefused` for a container that would take for ever to write out."""
    if isinstance(value, _SHOWN_AS_PYTHON):
        _wrap(value, MAX_DEPTH, [MAX_NODES])


def _wrap(value: Any, depth: int, room: list[int]) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is str or kind is bytes:
        room[0] -= len(value) // _SHORT
        if len(value) > MAX_BYTES:
            raise too_big(len(value))
        return value
    if depth <= 0:
        raise too_deep()
    room[0] -= 1
    if kind is dict:
        return _wrap_dict(value, depth, room)
    return (_SHAPES.get(kind) or _shape_of(value))(value, depth, room)


def _wrap_dict(value: dict[Any, Any], depth: int, room: list[int]) -> Record:
    """What nearly every value is made of: most items are as they must be and are not looked at twice."""
    _spend(len(value), room)
    record = Record()
    for key, item in value.items():
        kind = type(item)
        taken = kind in _SCALARS or (kind is str and len(item) < _SHORT)
        name = key if type(key) is str else _key(key, depth, room)
        record[name] = item if taken else _wrap(item, depth - 1, room)
    return record


def _wrap_list(value: Collection[Any], depth: int, room: list[int]) -> list[Any]:
    _spend(len(value), room)
    return [
        item
        if (kind := type(item)) in _SCALARS or (kind is str and len(item) < _SHORT)
        else _wrap(item, depth - 1, room)
        for item in value
    ]


def _spend(nodes: int, room: list[int]) -> None:
    room[0] -= nodes
    if room[0] < 0:
        raise too_many()


def _wrap_record(value: Mapping[Any, Any], depth: int, room: list[int]) -> Record:
    record = _wrap_dict(dict(dict.items(value) if isinstance(value, dict) else value), depth, room)
    if isinstance(value, TextRecord):
        return TextRecord(record, value.text_key)
    if isinstance(value, ValueRecord):
        return (
            type(value)(record) if type(value) is not ValueRecord else ValueRecord.unloaded(value.kept_type(), record)
        )
    return record


def _key(key: Any, depth: int, room: list[int]) -> Any:
    wrapped = _wrap(key, depth - 1, room)
    return str(key) if isinstance(wrapped, (list, dict, set)) else wrapped


def _wrap_tuple(value: tuple[Any, ...], depth: int, room: list[int]) -> Any:
    if hasattr(value, "_fields"):
        return _wrap_record(dict(zip(value._fields, value, strict=True)), depth, room)
    return tuple(_wrap_list(value, depth, room))


def _wrap_set(value: Any, depth: int, room: list[int]) -> Any:
    items = _wrap_list(value, depth, room)
    if any(isinstance(item, (list, dict, set)) for item in items):
        return items
    return (frozenset if isinstance(value, frozenset) else set)(items)


def _wrap_moment(value: datetime | time, depth: int, room: list[int]) -> datetime | time:
    """Time zones of foreign classes become fixed offsets."""
    if value.tzinfo is None or value.tzinfo is UTC or zone_key(value.tzinfo):
        return value
    offset = value.utcoffset()
    return value.replace(tzinfo=timezone(offset) if offset is not None else None)


def _wrap_dataclass(value: Any, depth: int, room: list[int]) -> Record:
    return _wrap_record({field.name: getattr(value, field.name) for field in fields(value)}, depth, room)


Shape = Callable[[Any, int, list[int]], Any]


def _as_is(value: Any, depth: int, room: list[int]) -> Any:
    return value


_SHAPES: dict[type, Shape] = {
    dict: _wrap_dict,
    Record: _wrap_dict,
    TextRecord: _wrap_record,
    list: _wrap_list,
    tuple: _wrap_tuple,
    set: _wrap_set,
    frozenset: _wrap_set,
    datetime: _wrap_moment,
    time: _wrap_moment,
    date: _as_is,
    timedelta: _as_is,
    Decimal: _as_is,
}

# Asked in order for what is not exactly one of the classes above.
_KINDS: tuple[tuple[type | tuple[type, ...], Shape], ...] = (
    (Enum, lambda value, depth, room: _wrap(value.value, depth, room)),
    (Mapping, _wrap_record),
    ((UUID, PurePath, BaseException), lambda value, depth, room: str(value)),
    (str, lambda value, depth, room: _wrap(str.__str__(value), depth, room)),
    ((bytes, bytearray, memoryview), lambda value, depth, room: _wrap(bytes(value), depth, room)),
    (int, lambda value, depth, room: int(value)),
    (float, lambda value, depth, room: float(value)),
    (datetime, lambda value, depth, room: _wrap_moment(_plain_datetime(value), depth, room)),
    (date, lambda value, depth, room: date(value.year, value.month, value.day)),
    (tuple, _wrap_tuple),
    (frozenset, _wrap_set),
    (set, _wrap_set),
    ((list, range, type({}.keys()), type({}.values()), type({}.items())), _wrap_list),
)


def _shape_of(value: Any) -> Shape:
    for kinds, shape in _KINDS:
        if isinstance(value, kinds):
            return shape
    if is_dataclass(value) and not isinstance(value, type):
        return _wrap_dataclass
    if type(value).__name__ == "deque":
        return _wrap_list
    raise ValueRefused(f"a {type(value).__name__} cannot be the value of a variable")


def _plain_datetime(value: datetime) -> datetime:
    return datetime.combine(value.date(), value.timetz()).replace(fold=value.fold)
