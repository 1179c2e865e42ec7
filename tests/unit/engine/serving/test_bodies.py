"""Bodies by their media type."""

import pytest

from intellyhub_engine.serving.bodies import make_query, read_body
from intellyhub_engine.serving.problems import RequestRefused

BOUNDARY = "multipart/form-data; boundary=xyz"


@pytest.mark.parametrize(
    ("content_type", "body", "value"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("Application/JSON; charset=utf-8", b"[1]", [1]),
        ("application/ld+json", b"null", None),
        ("application/x-www-form-urlencoded", b"a=1&b=x+y&a=2&c=", {"a": ["1", "2"], "b": "x y", "c": ""}),
        ("text/plain", "già".encode(), "già"),
        ("text/plain; charset=latin-1", "già".encode("latin-1"), "già"),
        ("application/xml", b"<a/>", "<a/>"),
        ("application/octet-stream", b"\xff", b"\xff"),
        ("image/whatever", b"", None),
        (None, b"", None),
    ],
)
def test_a_body_is_read_by_its_type(content_type, body, value):
    assert read_body(content_type, body) == value


def test_json_sent_under_a_forms_type_is_still_json():
    assert read_body("application/x-www-form-urlencoded", b'{"a": 1}') == {"a": 1}


def test_a_form_that_only_begins_like_json_is_a_form():
    assert read_body("application/x-www-form-urlencoded", b"{a=1") == {"{a": "1"}


def test_a_multipart_form_gives_fields_and_only_describes_files():
    body = (
        b'--xyz\r\nContent-Disposition: form-data; name="who"\r\n\r\nAda\r\n'
        b'--xyz\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG\r\n"
        b"--xyz--\r\n"
    )
    file = {"filename": "a.png", "content_type": "image/png", "size": 4}
    assert read_body(BOUNDARY, body) == {"who": "Ada", "f": file}


@pytest.mark.parametrize(
    ("content_type", "body", "status", "part"),
    [
        ("application/json", b'{"a":\n  x}', 400, "line 2, column 3"),
        ("application/json", b"{} {}", 400, "line 1"),
        ("text/plain", b"\xff", 400, "byte 0"),
        ("text/plain; charset=klingon", b"x", 415, "klingon"),
        ("image/png", b"x", 415, "image/png"),
        ("nonsense", b"x", 415, "nonsense"),
        (BOUNDARY, b"nothing of the kind", 400, "multipart"),
        ("multipart/form-data", b"--x\r\n\r\n", 400, "multipart"),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 1001), 400, "1000"),
    ],
)
def test_a_broken_body_is_refused_with_its_reason(content_type, body, status, part):
    with pytest.raises(RequestRefused) as caught:
        read_body(content_type, body)
    assert caught.value.fault.value.status == status
    assert part in caught.value.detail


def test_a_json_bomb_is_refused_and_not_followed():
    with pytest.raises(RequestRefused):
        read_body("application/json", b"[" * 100_000)


def test_a_repeated_field_is_a_list_also_when_it_comes_three_times():
    assert make_query("a=1&a=2&a=3&b=%5B%5D") == {"a": ["1", "2", "3"], "b": "[]"}
