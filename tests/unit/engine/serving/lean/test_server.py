"""The lean server over loopback: bytes, limits, ends."""

import contextlib
import socket
import threading
import time

import pytest

from intellyhub_engine.serving.access import Access
from intellyhub_engine.serving.lean.server import Ended, Server
from intellyhub_engine.serving.settings import Settings
from tests.unit.engine.serving.fakes import FakeRunner, Serving, make_exchange, make_result, take_all, take_answer

POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def serve():
    with contextlib.ExitStack() as stack:

        def start(exchange=None, **limits):
            serving = Serving(exchange or make_exchange(), **limits)
            stack.callback(serving.close)
            return serving

        yield start


class Held:
    """A flow that runs until it is let go."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()

    def __call__(self, event):
        self.begun.release()
        assert self.go_on.wait(20)
        return make_result()


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


def test_a_small_answer_leaves_in_one_piece_and_without_delay(serve):
    serving = serve()
    sent = []

    class Watched(socket.socket):
        def sendall(self, content, *flags):
            sent.append((self.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), bytes(content)))
            return super().sendall(content, *flags)

    class Listener:
        def accept(self):
            sock, address = serving.listener.accept()
            return Watched(fileno=sock.detach()), address

        def __getattr__(self, name):
            return getattr(serving.listener, name)

    serving.server._listener = Listener()
    with serving.connect() as sock:
        sock.sendall(POST)
        answer = take_answer(sock)
    assert sent == [(1, answer)]


def test_an_answer_has_what_http_asks_for(serve):
    head, _, body = serve().say(POST).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert headers["Content-Type"] == "application/json"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Date"].endswith(" GMT")


def test_a_connection_serves_one_request_after_the_other(serve):
    with serve().connect() as sock:
        for _ in range(3):
            sock.sendall(POST)
            assert take_answer(sock).startswith(b"HTTP/1.1 200 ")


def test_pipelined_requests_are_answered_in_order(serve):
    answer = serve().say(HEALTH + POST + b"GET /nowhere HTTP/1.1\r\n\r\n" + HEALTH)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"405", b"200"]


def test_a_request_may_arrive_byte_by_byte_and_chunked(serve):
    runner = FakeRunner()
    message = b"POST / HTTP/1.1\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    message += b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
    with serve(make_exchange(runner)).connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in message:
            sock.sendall(bytes([byte]))
        assert take_answer(sock).startswith(b"HTTP/1.1 200 ")
    assert runner.events[0].data["body"] == "hello"


def test_head_gives_the_same_head_and_no_body(serve):
    serving = serve()
    got = serving.say(HEALTH).partition(b"\r\n\r\n")
    head = serving.say(HEALTH.replace(b"GET", b"HEAD")).partition(b"\r\n\r\n")
    assert head[0].split(b"\r\n")[2:] == got[0].split(b"\r\n")[2:]
    assert (head[2], got[2]) == (b"", b'{"status":"ok"}')


def test_a_body_is_asked_for_where_the_client_waits_to_be(serve):
    with serve().connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"{}")
        assert take_answer(sock).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_will_be_refused_is_not_asked_for(serve):
    with serve(max_body_bytes=10).connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
        assert take_answer(sock).startswith(b"HTTP/1.1 413 ")


def test_a_refusal_reaches_a_peer_that_is_still_sending(serve):
    with serve(max_body_bytes=1000).connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: 900000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            sock.sendall(b"x" * 900_000)
        assert take_answer(sock).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("garbage", [b"\0\1\2\3", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"x" * 100_000])
def test_garbage_is_answered_with_400_and_hurts_nobody_else(serve, garbage):
    serving = serve()
    assert serving.say(garbage)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431")
    assert serving.say(HEALTH).startswith(b"HTTP/1.1 200 ")


def test_what_follows_a_length_that_was_too_small_is_no_request(serve):
    answer = serve().say(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}trailing rubbish")
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400"]


def test_a_request_that_ends_too_early_is_not_run(serve):
    runner = FakeRunner()
    answer = serve(make_exchange(runner)).say(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{}")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert runner.events == []


@pytest.mark.parametrize(
    ("part", "limit"),
    [
        (b"POST / HT", {"header_seconds": 0.1}),
        (b"POST / HTTP/1.1\r\nX: a\r\n", {"header_seconds": 0.1}),
        (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", {"body_seconds": 0.1}),
    ],
)
def test_a_slow_peer_is_told_408_and_disconnected(serve, part, limit):
    with serve(**limit).connect() as sock:
        sock.sendall(part)
        assert take_all(sock).startswith(b"HTTP/1.1 408 ")


def test_a_trickle_does_not_prolong_the_time_for_a_head(serve):
    with serve(header_seconds=0.2).connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nX: ")
        sock.settimeout(0.02)
        answer = b""
        for _ in range(200):
            with contextlib.suppress(TimeoutError):
                answer = sock.recv(1000)
                break
            sock.sendall(b"x")
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_half_open_connection_is_given_up(serve):
    serving = serve(keep_alive_seconds=0.1)
    with serving.connect() as sock:
        assert take_all(sock) == b""
        wait_until(lambda: not serving.server._connections)


def test_a_peer_that_takes_no_answer_is_given_up(serve):
    runner = FakeRunner(lambda event: make_result(output="x" * 20_000_000))
    serving = serve(make_exchange(runner), send_seconds=0.1)
    with serving.connect() as sock:
        sock.sendall(POST)
        wait_until(lambda: runner.events and not serving.server._connections)


def test_a_peer_that_leaves_does_not_stop_its_run(serve):
    held = Held()
    runner = FakeRunner(held)
    exchange = make_exchange(runner)
    serving = serve(exchange)
    with serving.connect() as sock:
        sock.sendall(POST)
        held.begun.acquire()
    held.go_on.set()
    wait_until(lambda: not exchange.busy and not serving.server._connections)


def test_more_connections_than_allowed_wait_and_idle_ones_make_room(serve):
    serving = serve(max_connections=2)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(serving.connect()) for _ in range(2)]
        for sock in idle:
            sock.sendall(HEALTH)
            take_answer(sock)
        third = stack.enter_context(serving.connect())
        third.sendall(HEALTH)
        assert take_answer(third).startswith(b"HTTP/1.1 200 ")


def test_runs_beyond_the_concurrency_wait_for_their_turn(serve):
    held = Held()
    serving = serve(make_exchange(FakeRunner(held), concurrency=1))
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(serving.connect()) for _ in range(3)]
        for sock in socks:
            sock.sendall(POST)
        assert held.begun.acquire(timeout=10)
        wait_until(lambda: serving.exchange.gate.in_flight == 3)
        assert not held.begun.acquire(timeout=0.05)
        held.go_on.set()
        assert all(take_answer(sock).startswith(b"HTTP/1.1 200 ") for sock in socks)


def test_a_told_server_finishes_what_is_in_flight_and_serves_what_still_arrives(serve):
    held = Held()
    serving = serve(make_exchange(FakeRunner(held), concurrency=0))
    with serving.connect() as first:
        first.sendall(POST)
        held.begun.acquire()
        serving.server.stop()
        wait_until(lambda: serving.server.draining)
        with serving.connect() as second:
            second.sendall(POST)
            assert held.begun.acquire(timeout=10)
            held.go_on.set()
            for sock in (first, second):
                answer = take_all(sock)
                assert answer.startswith(b"HTTP/1.1 200 ")
    serving.thread.join(10)
    assert serving.ended == [Ended.DRAINED]


def test_a_told_server_closes_idle_connections_without_an_answer(serve):
    serving = serve()
    with serving.connect() as sock:
        sock.sendall(HEALTH)
        take_answer(sock)
        serving.server.stop()
        assert take_all(sock) == b""
    serving.thread.join(10)
    assert serving.ended == [Ended.DRAINED]


def test_a_server_that_is_told_twice_does_not_wait(serve):
    held = Held()
    serving = serve(make_exchange(FakeRunner(held)))
    with serving.connect() as sock:
        sock.sendall(POST)
        held.begun.acquire()
        serving.server.stop()
        serving.server.stop()
        serving.thread.join(10)
        assert serving.ended == [Ended.HURRIED]
        held.go_on.set()


def test_a_told_server_does_not_wait_for_ever(serve):
    held = Held()
    serving = serve(make_exchange(FakeRunner(held)), drain_seconds=0.1)
    with serving.connect() as sock:
        sock.sendall(POST)
        held.begun.acquire()
        serving.server.stop()
        serving.thread.join(10)
        assert serving.ended == [Ended.OVERDUE]
        held.go_on.set()


def test_an_idle_server_ends_although_a_connection_is_kept_open(serve):
    serving = serve(idle_seconds=0.2)
    with serving.connect() as sock:
        sock.sendall(HEALTH)
        take_answer(sock)
        assert take_all(sock) == b""
        serving.thread.join(10)
    assert serving.ended == [Ended.IDLE]


def test_a_server_with_a_run_in_flight_is_not_idle(serve):
    held = Held()
    serving = serve(make_exchange(FakeRunner(held)), idle_seconds=0.05)
    with serving.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nPrefer: respond-async\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        assert take_all(sock).startswith(b"HTTP/1.1 202 ")
    serving.thread.join(0.3)
    assert serving.ended == []
    held.go_on.set()
    serving.thread.join(10)
    assert serving.ended == [Ended.IDLE]


def test_a_server_on_a_shared_socket_leaves_new_connections_to_others_once_told():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener, make_exchange().answer, Settings(), shared=True)
        server.stop()
        with socket.create_connection(listener.getsockname(), timeout=10) as waiting:
            assert server.serve() is Ended.DRAINED
            following = Server(listener, make_exchange().answer, Settings(), shared=True)
            thread = threading.Thread(target=following.serve)
            thread.start()
            waiting.sendall(HEALTH)
            assert take_answer(waiting).startswith(b"HTTP/1.1 200 ")
            following.stop()
            thread.join(10)


def test_a_unix_socket_is_served_too(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        server = Server(listener, make_exchange().answer, Settings(quiet_seconds=0.01))
        thread = threading.Thread(target=server.serve)
        thread.start()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(tmp_path / "s"))
            sock.sendall(POST)
            assert take_answer(sock).startswith(b"HTTP/1.1 200 ")
        server.stop()
        thread.join(10)


def test_a_fault_of_ours_ends_one_connection_and_is_logged(serve, caplog):
    exchange = make_exchange()
    serving = serve(exchange)
    serving.server._answer = lambda request: 1 / 0
    assert serving.say(POST) == b""
    wait_until(lambda: "ZeroDivisionError" in caplog.text)
    serving.server._answer = exchange.answer
    assert serving.say(HEALTH).startswith(b"HTTP/1.1 200 ")


def test_a_connection_for_which_there_is_no_thread_keeps_no_place(serve, monkeypatch):
    serving = serve(max_connections=1)

    def take(work):
        monkeypatch.undo()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(serving.server._crew, "take", take)
    with serving.connect() as refused:
        assert take_all(refused) == b""
    assert serving.say(HEALTH).startswith(b"HTTP/1.1 200 ")


def test_threads_are_used_again(serve):
    serving = serve(make_exchange(access=Access()))
    for _ in range(20):
        serving.say(HEALTH)
        wait_until(lambda: not serving.server._connections)
    assert sum(thread.name == "connection" for thread in threading.enumerate()) <= 9
