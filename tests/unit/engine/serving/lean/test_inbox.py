"""What one connection has sent: requests, refusals, and nothing in between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.serving.lean.inbox import Inbox, make_target
from intellyhub_engine.serving.problems import MAX_PROBLEM_BYTES

HEAD = b"POST /a?b=1 HTTP/1.1\r\nHost: h\r\n"


def make_inbox():
    return Inbox(peer="10.0.0.1", max_header_bytes=2000, max_body_bytes=100)


def feed(*parts):
    inbox = make_inbox()
    for part in parts:
        if inbox.refusal is None:
            inbox.feed(part)
    return inbox


def refused(*parts):
    inbox = feed(*parts)
    assert inbox.refusal is not None
    assert not inbox.arrived
    return inbox.refusal.status


def test_a_request_is_taken_apart():
    inbox = feed(HEAD + b"X-A:  1 \r\nX-a: 2\r\nContent-Length: 3\r\n\r\nabc")
    (arrived,) = inbox.arrived
    assert arrived.keep_alive
    assert arrived.request == (
        "POST",
        "/a?b=1",
        {"host": "h", "x-a": "1,2", "content-length": "3"},
        b"abc",
        "10.0.0.1",
    )


@given(st.lists(st.integers(1, 30), max_size=12))
def test_it_does_not_matter_how_the_bytes_are_cut(lengths):
    message = (
        HEAD
        + b"X-Long: abcdef\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: t\r\n\r\n"
    )
    message += b"GET /next HTTP/1.1\r\n\r\n"
    parts = []
    for length in lengths:
        parts.append(message[:length])
        message = message[length:]
    first, second = feed(*(part for part in [*parts, message] if part)).arrived
    assert (first.request.body, first.request.headers["x-long"]) == (b"abcdefg", "abcdef")
    assert "trailer" not in first.request.headers
    assert (second.request.method, second.request.target) == ("GET", "/next")


@pytest.mark.parametrize(
    "message",
    [
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        HEAD + b"Content-Length: +3\r\n\r\nabc",
        HEAD + b"Content-Length: 3,3\r\n\r\nabc",
        HEAD + b"Content-Length: 99999999999999999999999999\r\n\r\nabc",
        HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        HEAD + b"X: a\0b\r\n\r\n",
        HEAD + b"X\0: a\r\n\r\n",
        HEAD + b" folded: x\r\n\r\n",
        HEAD + b": nothing\r\n\r\n",
        HEAD + b"X: a\rb\r\n\r\n",
        b"POST / HTTP/1.1\nHost: h\n\n",
        b"POST /\0 HTTP/1.1\r\n\r\n",
        b"POST / a HTTP/1.1\r\n\r\n",
        b"POST /\xff HTTP/1.1\r\n\r\n",
        b"NONSENSE / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"\0" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_ambiguous_or_no_http_is_refused(message):
    assert refused(message) in (400, 505)


@given(st.binary(min_size=1, max_size=300))
def test_garbage_never_breaks_the_parser(garbage):
    inbox = feed(garbage, b"\r\n\r\n")
    if inbox.refusal is not None:
        assert len(inbox.refusal.body) <= MAX_PROBLEM_BYTES


@pytest.mark.parametrize("version", [b"2.0", b"0.9"])
def test_other_versions_are_refused(version):
    assert refused(b"GET / HTTP/" + version + b"\r\n\r\n") == 505


@pytest.mark.parametrize(
    "parts",
    [
        (HEAD + b"X: " + b"a" * 2000 + b"\r\n\r\n",),
        (HEAD, *[b"X: " + b"a" * 90 + b"\r\n"] * 22),
        (HEAD + b"X: ", *[b"a" * 100] * 30),
        (b"POST /" + b"a" * 2000,),
        (HEAD + b"a: 1\r\n" * 101 + b"\r\n",),
    ],
)
def test_a_head_beyond_the_limit_is_refused_while_it_arrives(parts):
    assert refused(*parts) == 431


@pytest.mark.parametrize(
    "parts",
    [
        (HEAD + b"Content-Length: 101\r\n\r\n",),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"A\r\n" + b"x" * 10 + b"\r\n"] * 11),
    ],
)
def test_a_body_beyond_the_limit_is_refused_before_all_of_it_arrives(parts):
    assert refused(*parts) == 413


def test_a_large_body_behind_a_small_head_does_not_count_as_head():
    inbox = Inbox(peer="", max_header_bytes=100, max_body_bytes=1000)
    inbox.feed(HEAD + b"Content-Length: 900\r\n\r\n" + b"x" * 450)
    inbox.feed(b"x" * 450)
    assert inbox.refusal is None
    assert len(inbox.arrived) == 1


def test_sound_requests_before_a_fault_are_kept():
    inbox = feed(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nrubbish\r\n\r\n")
    assert [arrived.request.target for arrived in inbox.arrived] == ["/1", "/2"]
    assert inbox.refusal.status == 400


def test_only_100_continue_can_be_expected():
    assert refused(HEAD + b"Expect: miracles\r\nContent-Length: 1\r\n\r\n") == 417
    inbox = feed(HEAD + b"Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n")
    assert (inbox.in_body, inbox.expects_continue) == (True, True)


def test_headers_that_differ_only_in_underscores_cannot_replace_each_other():
    (arrived,) = feed(HEAD + b"Ce-Id: right\r\nCe_Id: wrong\r\nKn_Namespace: a\r\n\r\n").arrived
    assert arrived.request.headers == {"host": "h", "ce-id": "right"}


def test_an_offer_to_upgrade_is_ignored_and_ends_the_connection():
    (arrived,) = feed(b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n").arrived
    assert not arrived.keep_alive


def test_an_offer_to_upgrade_cannot_hide_a_body():
    assert refused(HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nab") == 400


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_a_connection_is_kept_as_http_says(message, kept):
    assert feed(message).arrived[0].keep_alive is kept


@pytest.mark.parametrize(
    ("target", "expected"),
    [(b"/a?b", "/a?b"), (b"*", "*"), (b"http://h:1/a?b", "/a?b"), (b"http://h", "/"), (b"host:1", "host:1")],
)
def test_a_target_is_a_path_also_when_it_came_as_a_url(target, expected):
    assert make_target(target) == expected
