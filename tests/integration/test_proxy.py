"""What the gateway passes on to the control plane, and how it bears its absence."""

import socket
import threading
import time

import pytest

from tests.integration.front import front, ok
from tests.integration.platform_processes import await_that


@pytest.fixture(scope="module")
def shared():
    with front(INTELLYHUB_GATEWAY_CONTROL_SECONDS="5", INTELLYHUB_TRUSTED_PROXIES="10.0.0.0/8") as found:
        yield found


@pytest.fixture
def made(shared):
    """A gateway with nobody behind it."""
    yield shared
    shared.close_doubles()


def test_requests_and_answers_pass_unchanged(made):
    control = made.control(
        lambda got: (201, {"X-Mine": "1", "Set-Cookie": "a=b", "Content-Type": "a/b"}, got.body[::-1])
    )
    said = made.ask("PUT", "/api/flows/a%2Fb?q=%20x&q=2", b"abc", X_Custom="é".encode().decode("latin-1"))
    assert (said.status, said.headers["x-mine"], said.headers["set-cookie"], said.body) == (201, "1", "a=b", b"cba")
    (got,) = control.got
    assert (got.method, got.target, got.body) == ("PUT", "/api/flows/a%2Fb?q=%20x&q=2", b"abc")
    assert got.headers["x-custom"].encode("latin-1").decode() == "é"
    assert got.headers["host"] == f"127.0.0.1:{made.port}"
    assert "user-agent" not in got.headers


def test_what_the_control_plane_believes_is_the_gateways_word(made):
    control = made.control(lambda got: ok({}))
    made.ask("GET", "/", X_Forwarded_For="6.6.6.6", X_Forwarded_Proto="https", Forwarded="for=6", X_IntellyHub_Run="r")
    headers = control.got[0].headers
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert "forwarded" not in headers
    assert "x-intellyhub-run" not in headers


def test_methods_without_bodies_and_answers_without_bodies(made):
    made.control(lambda got: (304, {"ETag": "x"}, b"") if got.method == "GET" else (200, {"A": "b"}, b"12345"))
    assert (made.ask("GET", "/x").status, made.ask("GET", "/x").headers["etag"]) == (304, "x")
    head = made.ask("HEAD", "/x")
    assert (head.status, head.headers["content-length"], head.body) == (200, "5", b"")


def test_large_bodies_stream_both_ways(made):
    made.control(
        lambda got: (200, {}, (got.body[place : place + 100_000] for place in range(0, len(got.body), 100_000)))
    )
    body = bytes(range(256)) * 20_000
    assert made.ask("POST", "/big", body).body == body
    assert made.ask("POST", "/big", iter([body[:3_000_000], body[3_000_000:]])).body == body


def test_an_answer_is_passed_on_while_it_is_being_made(made):
    release = threading.Event()

    def parts():
        yield b"first"
        release.wait(10)
        yield b"second"

    made.control(lambda got: (200, {}, parts()))
    with socket.create_connection(("127.0.0.1", made.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b""
        while b"first" not in received:
            received += connection.recv(1000)
        release.set()
        while part := connection.recv(1000):
            received += part
    assert b"second" in received


def test_a_control_plane_that_is_being_restarted_is_waited_for(made):
    answers = []
    asking = [threading.Thread(target=lambda m=m: answers.append(made.ask(m, "/api", b"{}"))) for m in ("GET", "POST")]
    for thread in asking:
        thread.start()
    time.sleep(0.1)  # the gateway meets nobody
    made.control(lambda got: ok({}))
    for thread in asking:
        thread.join(10)
    assert [said.status for said in answers] == [200, 200]


def test_what_may_have_been_begun_is_sent_again_only_if_twice_is_as_good_as_once(made):
    said = iter([None, ok({})])
    control = made.control(lambda got: next(said))
    assert made.ask("PUT", "/api", b"{}").status == 200
    assert [got.body for got in control.got] == [b"{}", b"{}"]
    said = iter([None, ok({})])
    refused = made.ask("POST", "/api", b"{}")
    assert (refused.status, refused.json["type"]) == (503, "urn:intellyhub:problem:control-unavailable")
    assert "retry-after" in refused.headers
    assert len(control.got) == 3


def test_an_absent_control_plane_is_a_problem_after_a_while():
    with front(INTELLYHUB_GATEWAY_CONTROL_SECONDS="0.2") as made:
        said = made.ask("GET", "/api")
        assert (said.status, said.headers["content-type"]) == (503, "application/problem+json")


def test_an_answer_that_breaks_off_is_not_passed_on_as_whole(made):
    def parts():
        yield b"x" * 100
        raise ConnectionError

    made.control(lambda got: (200, {}, parts()))
    received = made.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert not received.endswith(b"0\r\n\r\n")


def test_one_connection_serves_many_requests(made):
    made.control(lambda got: ok({}))
    with socket.create_connection(("127.0.0.1", made.port), timeout=10) as connection:
        for _ in range(3):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await_that(lambda: connection.recv(1000)).startswith(b"HTTP/1.1 200")
