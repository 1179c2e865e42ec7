"""The server of a socket that several workers share."""

import socket
import threading

import pytest

from intellyhub_engine.serving.lean.server import Ended
from intellyhub_engine.serving.lean.shared import SharedServer
from intellyhub_engine.serving.message import Response
from intellyhub_engine.serving.settings import Settings
from tests.unit.engine.serving.fakes import take_all

REQUEST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
SECONDS = 10


class Shared:
    """A server in a thread, on a socket that stays open without it."""

    def __init__(self, *, places=1, answer=None, taken=None, **limits):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind("")
        self.listener.listen(64)
        self.leash, end = socket.socketpair()
        self.detached = 0
        self.taken: list[int] = []
        self.tell = taken or self.taken.append
        self.ended: list[Ended] = []
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.serve, args=(places, answer or echo, end, Settings(**limits)))
        self.thread.start()
        assert self.ready.wait(SECONDS)

    def serve(self, places, answer, end, limits):
        copy = socket.socket(fileno=socket.dup(self.listener.fileno()))
        self.server = SharedServer(
            copy,
            answer,
            limits,
            places=places,
            leash=end,
            running=lambda: self.detached,
            taken=self.tell,
        )
        self.ready.set()
        self.ended.append(self.server.serve())
        self.server.close()
        end.close()

    def connect(self, content=b""):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(SECONDS)
        client.connect(self.listener.getsockname())
        if content:
            client.sendall(content)
        return client

    def wait(self) -> Ended:
        self.thread.join(SECONDS)
        return self.ended[0]


@pytest.fixture
def serve():
    started = []

    def start(**named):
        started.append(Shared(**named))
        return started[-1]

    yield start
    for shared in started:
        shared.server.stop()
        shared.thread.join(SECONDS)
        shared.listener.close()
        shared.leash.close()


def echo(request):
    return Response(200, request.body, "application/json")


class Held:
    """An answer that is given when it is let go."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()

    def __call__(self, request):
        self.begun.release()
        assert self.go_on.wait(SECONDS)
        return echo(request)


@pytest.mark.parametrize("places", [1, 3])
def test_a_connection_carries_one_request(serve, places):
    shared = serve(places=places)
    with shared.connect(REQUEST + REQUEST) as client:
        answer = take_all(client)
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"Connection: close" in answer


def test_who_finds_no_place_waits_in_the_socket(serve):
    held = Held()
    shared = serve(places=2, answer=held)
    clients = [shared.connect(REQUEST) for _ in range(3)]
    assert held.begun.acquire(timeout=SECONDS)
    assert held.begun.acquire(timeout=SECONDS)
    third, _ = shared.listener.accept()  # nobody has taken it, so that another worker can
    third.close()
    held.go_on.set()
    assert [b"200 OK" in take_all(client) for client in clients[:2]] == [True, True]
    for client in clients:
        client.close()


def test_runs_that_nobody_waits_for_take_places(serve):
    shared = serve(places=1)
    shared.detached = 1
    shared.listener.settimeout(SECONDS)
    with shared.connect(REQUEST):
        taken, _ = shared.listener.accept()  # the server left it
        taken.close()
    shared.detached = 0
    shared.server.refresh()
    with shared.connect(REQUEST) as client:
        assert b"200 OK" in take_all(client)


def test_it_tells_how_many_places_are_taken(serve):
    shared = serve(places=1)
    with shared.connect(REQUEST) as client:
        take_all(client)
    shared.server.stop()
    shared.wait()
    assert max(shared.taken) == 1
    assert shared.taken[-1] == 0


def test_what_was_counted_last_is_told_last(serve):
    told, telling = [], threading.Semaphore(0)
    overtaken = threading.Event()

    def tell(taken):
        if threading.current_thread().name == "connection" and taken == 1:
            overtaken.wait(0.2)  # the other one ends meanwhile
        told.append(taken)
        telling.release()
        if taken == 0:
            overtaken.set()

    held = Held()
    shared = serve(places=2, answer=held, taken=tell)
    with shared.connect(REQUEST), shared.connect(REQUEST):
        assert [held.begun.acquire(timeout=SECONDS) for _ in range(2)] == [True, True]
        held.go_on.set()
        assert [telling.acquire(timeout=SECONDS) for _ in range(4)] == [True] * 4  # both begin, both end
    assert told[-1] == 0


def test_a_connection_for_which_there_is_no_thread_gives_its_place_back(serve, monkeypatch):
    shared = serve(places=2)

    def take(work):
        monkeypatch.undo()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(shared.server._crew, "take", take)
    with shared.connect() as refused, shared.connect(REQUEST) as client:
        assert take_all(refused) == b""
        assert b"200 OK" in take_all(client)
    shared.server.stop()
    shared.wait()
    assert shared.taken[:2] == [1, 0]


def test_it_ends_when_nobody_came_for_a_while(serve):
    assert serve(idle_seconds=0.05).wait() is Ended.IDLE


def test_told_to_stop_it_finishes_and_leaves_those_who_wait_to_others(serve):
    held = Held()
    shared = serve(answer=held)
    with shared.connect(REQUEST) as client:
        assert held.begun.acquire(timeout=SECONDS)
        shared.server.stop()
        with shared.connect(REQUEST) as waiting:
            held.go_on.set()
            assert b"200 OK" in take_all(client)
            assert shared.wait() is Ended.DRAINED
            taken, _ = shared.listener.accept()
            taken.close()
            waiting.close()


def test_when_its_leash_is_cut_it_stops_as_if_it_were_told(serve):
    shared = serve()
    shared.leash.close()
    assert shared.wait() is Ended.DRAINED


def test_a_run_that_does_not_end_keeps_it_no_longer_than_allowed(serve):
    shared = serve(drain_seconds=0.05)
    shared.detached = 1
    shared.server.stop()
    assert shared.wait() is Ended.OVERDUE


def test_a_connection_that_says_nothing_gives_its_place_back(serve):
    shared = serve(keep_alive_seconds=0.05)
    with shared.connect() as silent, shared.connect(REQUEST) as client:
        assert b"200 OK" in take_all(client)
        assert take_all(silent) == b""
