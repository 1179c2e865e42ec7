"""Requests made of hostile data, and hostile answers."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import gzip

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.network.answers import make_result
from intellyhub_functions.network.connections import AddressRefused
from intellyhub_functions.network.exchange import Request, Response, send
from intellyhub_functions.settings import Reach
from intellyhub_functions.testing.server import Answer, LocalServer


class Double(LocalServer):
    """Answers what it is told to."""

    def __init__(self, answer=None):
        super().__init__()
        self.next_answer = answer or Answer()

    def answer(self, call):
        return self.next_answer


def test_a_redirect_to_another_origin_carries_no_secret_of_any_name():
    secrets = {"authorization": "s", "cookie": "s", "X-Api-Key": "s", "PRIVATE-TOKEN": "s"}
    with Double() as other, Double(Answer(status=302, headers={"location": f"{other.url}/x"})) as first:
        send(Request(method="GET", url=first.url, headers=secrets | {"Accept": "text/plain"}))
    assert set(secrets) - set(first.calls[0].headers) == {"X-Api-Key", "PRIVATE-TOKEN"}  # there in lower case
    assert "s" not in other.calls[0].headers.values()
    assert other.calls[0].headers["accept"] == "text/plain"


@pytest.mark.parametrize("location", ["http://[::1", "http://h:x/", "http://h:99999/", "//[", "http://[v1.x]:1:2/"])
def test_a_redirect_to_what_is_no_address_is_a_failure_like_any_other(location):
    with Double(Answer(status=302, headers={"location": location})) as double, pytest.raises(PermanentError):
        send(Request(method="GET", url=double.url))


@pytest.mark.parametrize("url", ["htp://me:s3cr3t@host/?key=s3cr3t", "http://me:s3cr3t@[::1/?key=s3cr3t#s3cr3t"])
def test_an_address_that_is_none_is_told_without_its_secrets(url):
    with pytest.raises(PermanentError, match="not an http or https address") as caught:
        send(Request(method="GET", url=url))
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("name", ["transfer-encoding", "Content-Length", "connection", " Transfer-Encoding "])
def test_data_does_not_say_where_a_request_ends(name):
    with Double() as double:
        send(Request(method="POST", url=double.url, headers={name: "5"}, body=b"hello world"))
    assert "transfer-encoding" not in double.calls[0].headers
    assert double.calls[0].body == b"hello world"


@pytest.mark.parametrize("value", ["Bearer s3cr3t\r\nX: 1", "Bearer s3cr3t\n"])
def test_a_line_end_in_a_header_is_refused_without_showing_the_value(value):
    with Double() as double, pytest.raises(PermanentError) as caught:
        send(Request(method="GET", url=double.url, headers={"authorization": value}))
    assert "s3cr3t" not in str(caught.value)
    assert double.calls == []


@pytest.mark.parametrize("charset", ["undefined", "idna", "punycode", "unicode_escape", "rot13", "a\0b", "x" * 5000])
def test_an_answer_in_a_codec_that_is_no_charset_stays_bytes(charset):
    headers = {"content-type": f"text/plain; charset={charset}"}
    assert make_result(Response(status=200, headers=headers, body=b"abc", url="u"))["body"] == b"abc"


def test_a_bomb_is_stopped_at_the_limit():
    bomb = gzip.compress(b"\0" * (64 << 20))
    with (
        Double(Answer(headers={"content-encoding": "gzip"}, body=bomb)) as double,
        pytest.raises(PermanentError, match="larger"),
    ):
        send(Request(method="GET", url=double.url, max_body_bytes=1 << 20))


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:a9fe:a9fe]"]
)
def test_no_spelling_reaches_the_metadata_service_not_even_by_redirect(host):
    with Double(Answer(status=302, headers={"location": f"http://{host}/latest"})) as double:
        for url in (f"http://{host}/", double.url):
            with pytest.raises(PermanentError, match="may not connect"):
                send(Request(method="GET", url=url, timeout_seconds=3))


def test_an_address_is_named_once_and_a_name_with_its_address():
    assert str(AddressRefused("169.254.169.254", "169.254.169.254", Reach.NO_METADATA)).startswith(
        "169.254.169.254 is an address that flows may not connect to"
    )
    assert str(AddressRefused("metadata", "169.254.169.254", Reach.NO_METADATA)).startswith(
        "metadata is 169.254.169.254, an address"
    )
