"""Values of a run as ordinary JSON."""

import datetime
import decimal

import orjson
import pytest

from intellyhub_engine.serving.plain_json import to_json


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": [1, 2.5, None, True, "é"]}, '{"a":[1,2.5,null,true,"é"]}'),
        (datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), '"2026-01-02T03:04:05+00:00"'),
        ({3, 1, 2}, "[1,2,3]"),
        ((1, 2), "[1,2]"),
        (b"abc\xff", '"abc�"'),
        (decimal.Decimal("1.50"), '"1.50"'),
        (float("nan"), "null"),
        (2**80, str(2**80)),
        ({"big": 2**80, "nan": float("nan"), 1: {2: {3}}}, f'{{"big":{2**80},"nan":null,"1":{{"2":[3]}}}}'),
        ({None: 1, (1, 2): 2}, '{"None":1,"(1, 2)":2}'),
        ("\ud800", '"?"'),
        (ValueError("x"), "\"ValueError('x')\""),
        (datetime.timedelta(seconds=90), '"0:01:30"'),
    ],
)
def test_every_value_of_a_flow_has_a_json_form(value, shown):
    assert to_json(value).decode() == shown


def test_a_value_without_end_is_said_to_be_one():
    endless: list[object] = []
    endless.append(endless)
    assert b"too deeply" in orjson.loads(to_json({"value": endless})).encode()
