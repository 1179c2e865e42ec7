"""Handing events to the sink: over real HTTP."""

import contextlib
import socket
import threading

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.serving.access import Access
from intellyhub_engine.serving.access import sign as signed
from intellyhub_engine.serving.lean.server import Server
from intellyhub_engine.serving.message import Response
from intellyhub_engine.serving.settings import Settings
from intellyhub_engine.serving.sink import Sink
from tests.unit.engine.serving.fakes import KEY

EVENT = Event(id="1", source="/f", type="t.done", data={"a": "é"})


class Ingress:
    """Answers with the statuses it is given, and keeps what it got."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.requests = []

    def answer(self, request):
        self.requests.append(request)
        return Response(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])


@contextlib.contextmanager
def listening(ingress, *, sign=lambda event, body: event, overrides=None):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener, ingress.answer, Settings(quiet_seconds=0.0))
        thread = threading.Thread(target=server.serve)
        thread.start()
        port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}/tenant/broker?x=1"
        yield Sink(url=url, timeout_seconds=5.0, sign=sign, overrides=overrides or {})
        server.stop()
        thread.join(10)


def test_an_event_is_posted_in_binary_mode_with_the_overrides():
    ingress = Ingress(202)
    with listening(ingress, overrides={"flow": "f1"}) as sink:
        sink.send(EVENT)
    (request,) = ingress.requests
    assert (request.method, request.target, request.body) == ("POST", "/tenant/broker?x=1", '{"a":"é"}'.encode())
    headers = request.headers
    assert (headers["ce-id"], headers["ce-flow"], headers["content-type"]) == ("1", "f1", "application/json")


def test_what_is_sent_is_signed():
    ingress = Ingress(202)
    with listening(ingress, sign=lambda event, body: signed(event, body, KEY, 1_800_000_000)) as sink:
        sink.send(EVENT)
    Access(secrets=(KEY,)).admit(ingress.requests[0], 1_800_000_000)


def test_a_sink_that_recovers_is_tried_again():
    ingress = Ingress(503, 500, 202)
    with listening(ingress) as sink:
        sink.send(EVENT)
    assert len(ingress.requests) == 3


def test_a_sink_that_does_not_recover_makes_the_step_fail_for_now():
    ingress = Ingress(503)
    with listening(ingress) as sink, pytest.raises(RetryableError, match="503"):
        sink.send(EVENT)


def test_a_sink_that_refuses_makes_the_step_fail_for_good():
    ingress = Ingress(401)
    with listening(ingress) as sink, pytest.raises(PermanentError, match="401"):
        sink.send(EVENT)
    assert len(ingress.requests) == 1


def test_a_sink_that_is_not_there_makes_the_step_fail_for_now():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sink = Sink(url=f"http://127.0.0.1:{port}", timeout_seconds=1.0, sign=lambda event, body: event)
    with pytest.raises(RetryableError, match="not taken"):
        sink.send(EVENT)
