"""Attributes, items and methods that expressions may reach. What no table names does not exist."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.expressions.limits import check_strftime, kind_of, spend, spend_text, weigh
from intellyhub_engine.language.values.records import TextRecord, ValueRecord

__all__ = ["bare_item", "call_method", "get_attribute", "get_item", "has_attribute"]

_ABSENT = object()
_SEQUENCES = (str, list, tuple, bytes)

_PROPERTIES: tuple[tuple[type, frozenset[str]], ...] = (
    (datetime, frozenset(["year", "month", "day", "hour", "minute", "second", "microsecond"])),
    (date, frozenset(["year", "month", "day"])),
    (time, frozenset(["hour", "minute", "second", "microsecond"])),
    (timedelta, frozenset(["days", "seconds", "microseconds"])),
)


def get_attribute(value: Any, name: str) -> Any:
    """`value.name`: a key of a record, or a property that a table names."""
    if isinstance(value, dict) and dict.__contains__(value, name):
        return dict.__getitem__(value, name)
    found = _property(value, name)
    if found is _ABSENT:
        raise EvaluationFailed(_no_attribute(value, name))
    return found


def has_attribute(value: Any, name: str) -> bool:
    """`hasattr(value, name)`."""
    return (isinstance(value, dict) and dict.__contains__(value, name)) or _property(value, name) is not _ABSENT


def attribute_or(value: Any, name: str, default: Any) -> Any:
    """`getattr(value, name, default)`."""
    return get_attribute(value, name) if has_attribute(value, name) else default


def _property(value: Any, name: str) -> Any:
    if isinstance(value, ValueRecord) and name in type(value).exposed:
        found = getattr(value, name)
        return _ABSENT if callable(found) else found
    for kind, names in _PROPERTIES:
        if isinstance(value, kind):
            return getattr(value, name) if name in names else _ABSENT
    return _ABSENT


def _no_attribute(value: Any, name: str) -> str:
    if isinstance(value, dict):
        return f"there is no {name!r}; there are {', '.join(map(str, list(dict.keys(value))[:20])) or 'no keys'}"
    return f"{kind_of(value)} has no {name!r}"


def get_item(value: Any, index: Any) -> Any:
    """`value[index]`. A list also takes a position that is written as text."""
    if isinstance(index, tuple):
        weigh(index)
    if isinstance(value, dict):
        return _dict_item(value, index)
    if not isinstance(value, _SEQUENCES):
        raise EvaluationFailed(f"{kind_of(value)} cannot be indexed")
    if isinstance(index, str) and index.strip().lstrip("-").isdecimal():
        index = int(index)
    try:
        return value[index]
    except IndexError as error:
        raise EvaluationFailed(f"there is no item {index}; there are {len(value)}") from error


def _dict_item(value: dict[Any, Any], index: Any) -> Any:
    if isinstance(value, TextRecord) and isinstance(index, (int, slice)):
        return str(value)[index]
    if isinstance(value, ValueRecord) and isinstance(index, (int, slice)):
        return value[index]  # classes of the catalogue may be lists too
    if isinstance(index, slice):
        raise EvaluationFailed("a record has no slices")
    if not dict.__contains__(value, index):
        raise EvaluationFailed(_no_attribute(value, index))
    return dict.__getitem__(value, index)


def bare_item(value: Any, lookup: Callable[[], Any], word: str) -> Any:
    """`value[word]`: by the variable of that name where it fits, else by the word itself (section 6.1)."""
    try:
        return get_item(value, lookup())
    except (KeyError, TypeError, EvaluationFailed):
        if not isinstance(value, dict):
            raise
    return get_item(value, word)


def call_method(budget: list[int], value: Any, name: str, /, *arguments: Any, **named: Any) -> Any:
    """`value.name(...)` where a table allows it."""
    if isinstance(value, ValueRecord) and name in type(value).exposed:
        return getattr(value, name)(*arguments, **named)
    for kind, methods in _METHODS:
        if isinstance(value, kind):
            method = methods.get(name)
            if method is not None:
                return method(budget, value, *arguments, **named)
            if isinstance(value, TextRecord):
                return call_method(budget, str(value), name, *arguments, **named)
            break
    raise EvaluationFailed(f"{kind_of(value)} has no method {name!r} that a flow may call")


def _plain(*names: str) -> Callable[[type], dict[str, Callable[..., Any]]]:
    """A table of methods that are harmless as they are; what they make is not longer than what they are given."""

    def table(kind: type) -> dict[str, Callable[..., Any]]:
        return {name: _paid(getattr(kind, name)) for name in names}

    return table


def _paid(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(budget: list[int], value: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(value, (str, bytes)):
            spend_text(budget, len(value))
        elif isinstance(value, (list, tuple, set, frozenset)):
            spend(budget, len(value))
            weigh(value, arguments)
        return method(value, *arguments, **named)

    return call


def _split(method: Callable[..., list[str]]) -> Callable[..., Any]:
    def call(budget: list[int], value: str, *arguments: Any, **named: Any) -> list[str]:
        spend_text(budget, len(value))
        parts = method(value, *arguments, **named)
        spend(budget, len(parts))
        return parts

    return call


def _padded(method: Callable[..., str]) -> Callable[..., str]:
    def call(budget: list[int], value: str, width: int, *fill: str) -> str:
        spend_text(budget, max(width, len(value)))
        return method(value, width, *fill)

    return call


def replace(budget: list[int], value: str, old: str, new: str, count: int = -1) -> str:
    """`str.replace`, paid for by the length it will have."""
    found = value.count(old)
    times = found if count < 0 else min(found, count)
    spend_text(budget, len(value) + times * max(len(new) - len(old), 0))
    return value.replace(old, new, count)


def join(budget: list[int], separator: str, parts: Iterable[Any]) -> str:
    """`str.join`, over a list, tuple, set or record's keys."""
    if not isinstance(parts, (list, tuple, set, frozenset, dict, str)):
        raise EvaluationFailed(f"{kind_of(parts)} cannot be joined")
    texts = [str(part) if isinstance(part, TextRecord) else part for part in parts]
    for text in texts:
        if not isinstance(text, str):
            raise EvaluationFailed(f"join works on texts, and one of the parts is {kind_of(text)}")
    spend_text(budget, sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _decode(budget: list[int], value: bytes, encoding: str = "utf-8", errors: str = "strict") -> str:
    if encoding.lower() not in {"utf-8", "utf8", "ascii", "latin-1"}:
        raise EvaluationFailed(f"the encoding {encoding[:20]!r} is not known here")
    spend_text(budget, len(value))
    return value.decode(encoding, errors)


def _strftime(budget: list[int], value: Any, pattern: str) -> str:
    return str(value.strftime(check_strftime(pattern)))


def _listed(method: Callable[[dict[Any, Any]], Iterable[Any]]) -> Callable[..., list[Any]]:
    def call(budget: list[int], value: dict[Any, Any]) -> list[Any]:
        spend(budget, len(value))
        return list(method(value))

    return call


def _get(budget: list[int], value: dict[Any, Any], key: Any, default: Any = None) -> Any:
    weigh(key)
    return dict.get(value, key, default)


_STR: dict[str, Callable[..., Any]] = {
    **_plain(
        *[
            "lower",
            "upper",
            "strip",
            "lstrip",
            "rstrip",
            "partition",
            "rpartition",
            "startswith",
            "endswith",
            "removeprefix",
            "removesuffix",
            "find",
            "rfind",
        ],
        *[
            "index",
            "rindex",
            "count",
            "title",
            "capitalize",
            "casefold",
            "swapcase",
            "isdigit",
            "isalpha",
            "isalnum",
            "isnumeric",
            "isdecimal",
            "isspace",
        ],
        *["islower", "isupper", "istitle", "isascii", "isidentifier", "isprintable"],
    )(str),
    "split": _split(str.split),
    "rsplit": _split(str.rsplit),
    "splitlines": _split(str.splitlines),
    "zfill": _padded(str.zfill),
    "ljust": _padded(str.ljust),
    "rjust": _padded(str.rjust),
    "center": _padded(str.center),
    "replace": replace,
    "join": join,
}
_DICT: dict[str, Callable[..., Any]] = {
    "get": _get,
    "keys": _listed(dict.keys),
    "values": _listed(dict.values),
    "items": _listed(dict.items),
}
_MOMENT = {"strftime": _strftime}
_SET_METHODS = ("union", "intersection", "difference", "issubset", "issuperset", "isdisjoint")

_METHODS: tuple[tuple[type | tuple[type, ...], dict[str, Callable[..., Any]]], ...] = (
    (str, _STR),
    (dict, _DICT),
    (list, _plain("index", "count")(list)),
    (tuple, _plain("index", "count")(tuple)),
    (set, _plain(*_SET_METHODS)(set)),
    (frozenset, _plain(*_SET_METHODS)(frozenset)),
    (bytes, {"decode": _decode, **_plain("startswith", "endswith", "hex", "find", "count")(bytes)}),
    (
        datetime,
        {
            **_MOMENT,
            **_plain(
                *[
                    "isoformat",
                    "date",
                    "time",
                    "timetz",
                    "timestamp",
                    "weekday",
                    "isoweekday",
                    "isocalendar",
                    "replace",
                    "astimezone",
                    "utcoffset",
                ],
                "toordinal",
            )(datetime),
        },
    ),
    (date, {**_MOMENT, **_plain("isoformat", "weekday", "isoweekday", "isocalendar", "replace", "toordinal")(date)}),
    (time, {**_MOMENT, **_plain("isoformat", "replace")(time)}),
    (timedelta, _plain("total_seconds")(timedelta)),
    (float, _plain("is_integer")(float)),
    (Decimal, _plain("is_finite", "is_nan", "is_zero", "normalize", "quantize")(Decimal)),
    (int, _plain("bit_length", "bit_count")(int)),
)
