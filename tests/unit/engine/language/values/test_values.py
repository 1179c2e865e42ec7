"""Values: the closed universe, and the way to the journal and back."""

import enum
import math
import uuid
from collections import deque, namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.errors import ValueRefused
from intellyhub_engine.language.values.values import (
    Record,
    TextRecord,
    ValueRecord,
    decode,
    encode,
    revive,
    text_of,
    wrap,
)


class Colour(enum.StrEnum):
    RED = "red"


class Place(enum.IntEnum):
    FIRST = 1


Point = namedtuple("Point", "x y")


@dataclass
class Order:
    number: int
    lines: list[Any]


class Feed(ValueRecord):
    __slots__ = ()
    value_type = "feed"
    exposed = frozenset({"search"})

    def search(self, word: str) -> list[str]:
        return [title for title in self["titles"] if word in title]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**62, max_value=2**70),
    st.integers(min_value=-(2**70), max_value=-(2**62)),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=())),
    st.binary(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), ZoneInfo("Europe/Rome")])),
    st.timedeltas(),
)
HASHABLE = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
KEYS = st.text(st.characters(exclude_categories=())) | st.just("$") | HASHABLE
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.tuples(inner, inner)
        | st.sets(HASHABLE, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3).map(lambda entries: TextRecord(entries, "response"))
        | st.dictionaries(st.text(max_size=3), inner, max_size=3).map(Feed)
    ),
    max_leaves=12,
)


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same classes all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        pairs = zip(dict.items(left), dict.items(right), strict=True)
        return dict.__len__(left) == dict.__len__(right) and all(same(a, c) and same(b, d) for (a, b), (c, d) in pairs)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return bool(left == right)


@given(VALUES)
def test_what_is_encoded_comes_back_exactly(value: Any) -> None:
    wrapped = wrap(value)
    assert same(revive(decode(encode(wrapped)), {"feed": lambda: Feed}), wrapped)


@given(VALUES)
def test_wrapping_twice_changes_nothing(value: Any) -> None:
    wrapped = wrap(value)
    assert same(wrap(wrapped), wrapped)


@given(VALUES)
def test_what_is_encoded_is_json(value: Any) -> None:
    import json

    json.loads(encode(wrap(value)))


@pytest.mark.parametrize("value", [math.nan, -0.0, math.inf, -math.inf, -(2**63), 2**63, 2**64, "\ud800", "$"])
def test_what_json_libraries_lose_is_kept(value: Any) -> None:
    again = decode(encode([value]))[0]
    assert type(again) is type(value)
    assert repr(again) == repr(value) if not isinstance(value, int) else again == value


def test_fold_and_time_zone_are_kept() -> None:
    moment = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Rome"), fold=1)
    again = decode(encode(moment))
    assert (again.fold, again.tzinfo.key, again.utcoffset()) == (1, "Europe/Rome", timedelta(hours=1))


@pytest.mark.parametrize(
    ("value", "wrapped"),
    [
        (Colour.RED, "red"),
        (Place.FIRST, 1),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Order(1, [Point(1, 2)]), {"number": 1, "lines": [{"x": 1, "y": 2}]}),
        (PurePosixPath("/a/b"), "/a/b"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (deque([1, 2]), [1, 2]),
        (range(3), [0, 1, 2]),
        ({"a": 1}.keys(), ["a"]),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (bytearray(b"a"), b"a"),
        (ValueError("why"), "why"),
    ],
)
def test_what_libraries_hand_over_becomes_plain(value: Any, wrapped: Any) -> None:
    assert wrap(value) == wrapped
    assert type(wrap(value)) in (str, int, list, bytes, Record)


@pytest.mark.parametrize("value", [object(), pytest, len, lambda: 1, int, (n for n in [1]), open, 1j])
def test_what_cannot_be_kept_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueRefused, match=type(value).__name__):
        wrap({"a": [value]})
    with pytest.raises(ValueRefused, match=type(value).__name__):
        encode([value])


def deep(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else Record(a=value)
    return value


def cycle() -> list[Any]:
    value: list[Any] = [1]
    value += [value, value]
    return value


@pytest.mark.parametrize("use", [wrap, encode, text_of])
@pytest.mark.parametrize("value", [deep(10_000), cycle()])
def test_a_value_without_end_is_one_clear_error(use: Any, value: Any) -> None:
    with pytest.raises(ValueRefused, match=r"deep|parts"):
        use(value)


@pytest.mark.parametrize("value", ["x" * 50_000_000, [["y"] * 2_000] * 2_000, b"z" * 50_000_000])
def test_a_value_that_is_too_big_is_one_clear_error(value: Any) -> None:
    for use in (wrap, encode):
        with pytest.raises(ValueRefused, match=r"keep it in a file|Keep it in a file"):
            use(value)


def test_the_deepest_value_allowed_comes_back() -> None:
    value = wrap(deep(99))
    assert decode(encode(value)) == value
    awkward: Any = 1
    for _ in range(99):
        awkward = Record({"$": awkward})
    assert decode(encode(awkward)) == awkward


def test_a_missing_attribute_is_an_attribute_error() -> None:
    record = wrap({"a": {"b": [{"c": 1}]}})
    assert record.a.b[0].c == 1
    assert not hasattr(record, "status_code")
    with pytest.raises(AttributeError, match="there are a"):
        _ = record.nothing


def test_attributes_can_be_set_and_deleted() -> None:
    record = Record(a=1)
    record.b = 2
    del record.a
    assert record == {"b": 2}
    with pytest.raises(AttributeError):
        del record.a


def test_a_text_record_is_text_and_record() -> None:
    answer = TextRecord({"response": "POSITIVO ok", "success": True, "sentiment": "POSITIVO ok"}, "response")
    assert f"{answer}" == str(answer) == text_of(answer) == "POSITIVO ok"
    assert answer == "POSITIVO ok"
    assert answer != "x"
    assert answer.lower().startswith("positivo")
    assert (answer.success, answer["success"], answer.sentiment) == (True, True, "POSITIVO ok")
    assert (answer[:4], answer[0], len(answer), "TIVO" in answer, "a " + answer + "!") == (
        "POSI",
        "P",
        11,
        True,
        "a POSITIVO ok!",
    )
    assert answer.get("error", "?") == "?"
    assert not hasattr(answer, "status_code")


def test_a_value_record_keeps_its_name_without_its_class() -> None:
    kept = encode(wrap({"feed": Feed(titles=["an apple", "a pear"])}))
    unloaded = decode(kept)
    assert encode(unloaded) == kept
    assert unloaded.feed.titles == ["an apple", "a pear"]
    assert revive(unloaded, {"feed": lambda: Feed}).feed.search("apple") == ["an apple"]
    assert encode(revive(unloaded, {})) == kept


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "True"),
        (1.0, "1.0"),
        ({"a": [1]}, "{'a': [1]}"),
        (b"\xc3\xa8", "è"),
        (date(2026, 1, 31), "2026-01-31"),
        (time(8), "08:00:00"),
        (Decimal("1.50"), "1.50"),
        ("{a}", "{a}"),
    ],
)
def test_a_value_inside_a_text(value: Any, text: str) -> None:
    assert text_of(value) == text


def test_a_number_of_too_many_digits_is_one_clear_error() -> None:
    with pytest.raises(ValueRefused, match="text"):
        text_of(10**5000)
    assert decode(encode([10**5000])) == [10**5000]
