"""CloudEvents in and out."""

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.events import Event
from intellyhub_engine.serving.cloudevents import encode_data, make_headers, read_event
from intellyhub_engine.serving.problems import RequestRefused
from tests.unit.engine.serving.fakes import BINARY, post

JSON = {"content-type": "application/json"}


def structured(**document):
    document = {"specversion": "1.0", "id": "e1", "source": "/s", "type": "t.made"} | document
    given = {name: value for name, value in document.items() if value is not ...}
    return post(orjson.dumps(given), {"content-type": "application/cloudevents+json; charset=UTF-8"})


def refusal(request):
    with pytest.raises(RequestRefused) as caught:
        read_event(request)
    return caught.value


def test_a_binary_event_has_its_attributes_in_headers_and_its_data_in_the_body():
    headers = BINARY | JSON | {"ce-subject": "x", "ce-time": "2026-01-02T03:04:05Z", "ce-flow": "f1", "host": "h"}
    event = read_event(post(b'{"a": [1, 2]}', headers))
    assert event == Event(
        id="e1",
        source="/s",
        type="t.made",
        subject="x",
        time="2026-01-02T03:04:05Z",
        datacontenttype="application/json",
        data={"a": [1, 2]},
        extensions={"flow": "f1"},
    )


def test_header_values_are_percent_decoded_once():
    event = read_event(post(headers=BINARY | {"ce-id": "100%25%20%E2%82%AC%2525"}))
    assert event.id == "100% €%25"


def test_quoted_header_values_of_older_producers_are_understood():
    assert read_event(post(headers=BINARY | {"ce-subject": r'"a \"b\""'})).subject == 'a "b"'


def test_a_header_value_that_is_not_utf8_is_refused():
    assert refusal(post(headers=BINARY | {"ce-subject": "%FF"})).fault.value.status == 400


def test_a_structured_event_means_the_same_as_a_binary_one():
    sent = read_event(structured(data={"a": 1}, datacontenttype="application/json", flow="f1"))
    assert sent == read_event(post(b'{"a": 1}', BINARY | JSON | {"ce-flow": "f1"}))


def test_extension_values_of_a_structured_event_become_text():
    assert read_event(structured(level=5, urgent=True, left=None)).extensions == {"level": "5", "urgent": "true"}


@pytest.mark.parametrize(
    ("content_type", "content", "expected"),
    [
        ("application/octet-stream", b"\x00\x01", b"\x00\x01"),
        (..., b"\x00\x01", b"\x00\x01"),
        ("text/plain", b"hello", "hello"),
        ("application/json", b'{"a":1}', {"a": 1}),
    ],
)
def test_base64_data_is_read_as_its_type_says(content_type, content, expected):
    event = read_event(structured(data_base64=base64.b64encode(content).decode(), datacontenttype=content_type))
    assert event.data == expected


@pytest.mark.parametrize("missing", ["id", "source", "type", "specversion"])
def test_a_missing_attribute_is_named(missing):
    assert missing in refusal(structured(**{missing: ...})).detail
    assert missing in refusal(structured(**{missing: ""})).detail


def test_all_faults_of_an_event_are_named_at_once():
    detail = refusal(structured(id=..., time="yesterday", Bad_Name="x", specversion="0.3")).detail
    assert all(part in detail for part in ("'id'", "'time'", "'Bad_Name'", "'0.3'"))


@pytest.mark.parametrize(
    "time",
    ["2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2026-01-02T25:04:05Z", "2026-01-02T03:04:05+99:00"],
)
def test_a_time_that_is_not_rfc_3339_is_refused(time):
    assert "time" in refusal(structured(time=time)).detail


@pytest.mark.parametrize(
    "time", ["2026-01-02T03:04:05Z", "2026-01-02t03:04:05.123456789+02:00", "2016-12-31T23:59:60Z"]
)
def test_a_time_that_is_rfc_3339_is_kept_as_written(time):
    assert read_event(structured(time=time)).time == time


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/cloudevents-batch+json", 415),
        ("application/cloudevents+avro", 415),
        ("application/cloudevents", 415),
    ],
)
def test_only_single_json_events_are_taken_in_structured_mode(content_type, status):
    assert refusal(post(b"[]", {"content-type": content_type})).fault.value.status == status


def test_a_structured_body_that_is_not_json_names_the_place():
    fault = refusal(post(b'{"id":\n oops}', {"content-type": "application/cloudevents+json"}))
    assert "line 2, column 2" in fault.detail


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1"])
def test_a_structured_body_must_be_an_object(body):
    assert refusal(post(body, {"content-type": "application/cloudevents+json"})).fault.value.status == 400


def test_data_and_data_base64_together_are_refused():
    assert "both" in refusal(structured(data=1, data_base64="AA==")).detail


def test_binary_data_that_is_not_the_json_it_says_is_refused():
    assert "line 1, column 2" in refusal(post(b"{a}", BINARY | JSON)).detail


def test_a_binary_event_without_a_content_type_may_carry_json_text_or_bytes():
    assert read_event(post(b'{"a":1}', BINARY)).data == {"a": 1}
    assert read_event(post(b"hello", BINARY)).data == "hello"
    assert read_event(post(b"\xff\x00", BINARY)).data == b"\xff\x00"
    assert read_event(post(b"", BINARY)).data is None


printable = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@given(
    st.builds(
        Event,
        id=printable,
        source=printable,
        type=printable,
        subject=st.none() | printable,
        time=st.none() | st.just("2026-01-02T03:04:05Z"),
        extensions=st.dictionaries(
            st.from_regex("[a-z0-9]{1,20}", fullmatch=True).map("x".__add__), printable, max_size=3
        ),
        data=st.none() | st.dictionaries(printable, st.integers(-(2**53), 2**53) | printable),
        datacontenttype=st.just("application/json"),
    )
)
def test_what_is_sent_in_binary_mode_is_read_as_the_same_event(event):
    headers, (body, content_type) = make_headers(event), encode_data(event)
    assert all(value.isascii() and value.isprintable() for _, value in headers)
    assert read_event(post(body, dict(headers) | {"content-type": content_type})) == event


@pytest.mark.parametrize(
    ("data", "content_type", "body", "sent_type"),
    [
        (None, None, b"", None),
        ("hello", "text/plain", b"hello", "text/plain"),
        ("hello", None, b'"hello"', "application/json"),
        (b"\x00", None, b"\x00", "application/octet-stream"),
        ({"a": 1}, "text/plain", b'{"a":1}', "application/json"),
    ],
)
def test_data_is_sent_as_what_it_is(data, content_type, body, sent_type):
    event = Event(id="1", source="/", type="t", data=data, datacontenttype=content_type)
    assert encode_data(event) == (body, sent_type)
