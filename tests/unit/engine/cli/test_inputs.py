"""Flow texts, events and variables as a person hands them in."""

import io
import os
import sys

import pytest

from intellyhub_engine.cli.inputs import make_event, parse_variables, read_bytes, read_event
from intellyhub_engine.errors import InputInvalid


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ("on", "on"),
        ("", ""),
        ("a=b c", "a=b c"),
        ("12:30", "12:30"),
        ('["a", 1]', ["a", 1]),
        ('{"a": null}', {"a": None}),
        ('"3"', "3"),
        ("{name}", "{name}"),
        ("[not json", "[not json"),
    ],
)
def test_a_variable_is_json_or_a_scalar_or_text(text, value):
    found = parse_variables([f"x={text}"])["x"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["x", "=3", "a b=3", "1x=3", "--x=1"])
def test_a_variable_without_a_usable_name_is_refused(text):
    with pytest.raises(InputInvalid, match="NAME=VALUE"):
        parse_variables([text])


def test_a_variable_nested_beyond_reason_is_refused():
    with pytest.raises(InputInvalid, match="nested too deeply"):
        parse_variables(["x=" + "[" * 100_000 + "]" * 100_000])


def test_any_json_becomes_the_data_of_a_new_event(tmp_path):
    path = tmp_path / "e.json"
    path.write_text('{"title": "x"}')
    first, second = (read_event(str(path), event_type="org.example.thing") for _ in range(2))
    assert first.data == {"title": "x"}
    assert first.type == "org.example.thing"
    assert first.id != second.id


def test_a_cloudevent_keeps_its_attributes(tmp_path):
    path = tmp_path / "e.json"
    path.write_text('{"specversion":"1.0","id":"7","source":"/s","type":"t","data":{"a":1},"partition":"p"}')
    event = read_event(str(path), event_type="other")
    assert (event.id, event.source, event.type, event.data) == ("7", "/s", "t", {"a": 1})
    assert event.extensions == {"partition": "p"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{\n  nope}", r"e\.json:2:3: the event is not JSON"),
        (b"\xff\xfe\x00", "not UTF-8|not JSON"),
        (b'{"specversion": "1.0"}', "'id' is missing.*'source' is missing"),
        (b"[" * 200_000, "nested too deeply"),
        (b"", r"e\.json:1:1"),
    ],
)
def test_a_bad_event_is_refused_with_its_place(tmp_path, content, message):
    path = tmp_path / "e.json"
    path.write_bytes(content)
    with pytest.raises(InputInvalid, match=message):
        read_event(str(path), event_type="")


def test_standard_input_is_a_dash(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"[1]")))
    assert read_event("-", event_type="").data == [1]


def test_a_missing_file_is_told_with_its_neighbour(tmp_path):
    (tmp_path / "hello.yaml").touch()
    with pytest.raises(InputInvalid, match=r"no such file; did you mean .*hello\.yaml"):
        read_bytes(str(tmp_path / "helo.yaml"), what="flow", max_bytes=10)


def test_a_folder_is_not_a_flow(tmp_path):
    with pytest.raises(InputInvalid, match="is a folder"):
        read_bytes(str(tmp_path), what="flow", max_bytes=10)


def test_a_device_that_never_ends_is_too_large():
    with pytest.raises(InputInvalid, match="larger than"):
        read_bytes("/dev/zero", what="event", max_bytes=1000)


def test_a_pipe_is_read_like_a_file():
    reader, writer = os.pipe()
    os.write(writer, b"states: {}")
    os.close(writer)
    assert read_bytes(f"/dev/fd/{reader}", what="flow", max_bytes=100) == b"states: {}"
    os.close(reader)


def test_a_name_with_a_null_byte_is_refused():
    with pytest.raises(InputInvalid, match="cannot be read"):
        read_bytes("a\0b", what="flow", max_bytes=10)


def test_events_made_here_say_so():
    assert make_event({}, event_type="").source == "intellyhub:cli"
