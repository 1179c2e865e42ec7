"""Stand-ins for the machine, and a client that says exactly the bytes it is told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from intellyhub_engine.errors import RunNotFound
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus, StepFinished, StepStatus
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.serving.access import Access, sign
from intellyhub_engine.serving.decision import Rules
from intellyhub_engine.serving.exchange import Exchange
from intellyhub_engine.serving.gate import Gate
from intellyhub_engine.serving.lean.server import Ended, Server
from intellyhub_engine.serving.message import Request
from intellyhub_engine.serving.metrics import Metrics
from intellyhub_engine.serving.settings import Settings

TOKEN = "a-token-of-the-platform"
KEY = b"a-key-of-the-tenant"
BINARY = {"ce-specversion": "1.0", "ce-id": "e1", "ce-source": "/s", "ce-type": "t.made"}
DELIVERY = BINARY | {"kn-namespace": "tenant-a", "prefer": "reply"}


def make_result(status: RunStatus = RunStatus.SUCCEEDED, **changes: Any) -> RunResult:
    values: dict[str, Any] = {
        "run_id": "r1",
        "status": status,
        "end_state": "end",
        "error": None,
        "variables": {"n": 1},
    }
    return RunResult(**(values | changes))


def emitting(*events: Event) -> tuple[StepFinished, ...]:
    return tuple(
        StepFinished(seq, "tell", "emit", 1, StepStatus.SUCCEEDED, None, 0, 0, {}, None, None, (event,))
        for seq, event in enumerate(events, 1)
    )


class FakeRunner:
    """Gives what it is told to, and remembers what it was asked."""

    flow = "demo"

    def __init__(self, work: Callable[[Event], Any] | None = None) -> None:
        self.work = work or (lambda event: make_result())
        self.events: list[Event] = []
        self.asked: list[tuple[Any, ...]] = []
        self.key: bytes | None = None

    def start(self, event, begun, variables=None):
        self.events.append(event)
        self.asked.append(("start", variables))
        if begun is not None:
            begun("r1")
        return self.work(event)

    def reply(self, result):
        return next((entry.emitted[-1] for entry in reversed(result.entries) if entry.emitted), None)

    def show(self, run_id):
        if run_id != "r1":
            raise RunNotFound(run_id)
        return make_result(RunStatus.WAITING, end_state=None)

    def decide(self, run_id, decision, begun=None):
        return self.go_on(begun, run_id, decision)

    def resume(self, run_id, begun=None):
        return self.go_on(begun, run_id, "resume")

    def replay(self, run_id, variables, begun=None, copy_id=None):
        return self.go_on(begun, run_id, "replay", variables, *filter(None, (copy_id,)))

    def fork(self, run_id, seq, variables, begun=None, copy_id=None):
        return self.go_on(begun, run_id, "fork", seq, variables, *filter(None, (copy_id,)))

    def go_on(self, begun, *asked):
        self.asked.append(asked)
        if begun is not None:
            begun("r1")
        return self.work(Event(id="e1", source="/s", type="t.made"))

    def cancel(self, run_id):
        self.asked.append((run_id, "cancel"))
        return run_id == "r1"

    def sign(self, event, body):
        return event if self.key is None else sign(event, body, self.key, 1_800_000_000)


def make_exchange(runner: FakeRunner | None = None, **choices: Any) -> Exchange:
    """An exchange that is open to all unless `access` is given."""
    rules = Rules(
        access=choices.pop("access", Access(open_to_all=True)),
        max_body_bytes=choices.pop("max_body_bytes", 10_000),
        metrics=choices.pop("metrics", "token"),
        whole_request=choices.pop("whole_request", True),
    )
    gate = Gate(concurrency=choices.pop("concurrency", 0), queue_seconds=choices.pop("queue_seconds", 5.0))
    patience = choices.pop("patience_seconds", 0.2)
    assert not choices
    return Exchange(
        rules=rules, runner=runner or FakeRunner(), gate=gate, metrics=Metrics("demo"), patience_seconds=patience
    )


def post(
    body: bytes = b"", headers: Mapping[str, str | None] | None = None, *, method: str = "POST", target: str = "/"
) -> Request:
    return Request(method, target, {key: value for key, value in (headers or {}).items() if value}, body, "127.0.0.1")


class Serving:
    """A lean server in a thread, on a free port of loopback."""

    def __init__(self, exchange: Exchange, **limits: Any) -> None:
        self.exchange = exchange
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.server = Server(
            self.listener,
            exchange.answer,
            Settings(**({"quiet_seconds": 0.05} | limits)),
            busy=lambda: exchange.busy,
        )
        self.ended: list[Ended] = []
        self.thread = threading.Thread(target=lambda: self.ended.append(self.server.serve()))
        self.thread.start()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.listener.getsockname(), timeout=20)

    def say(self, sent: bytes) -> bytes:
        """Send bytes, say no more, and take everything that comes back."""
        with self.connect() as sock:
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)
            return take_all(sock)

    def close(self) -> None:
        self.server.stop()
        self.thread.join(10)
        if self.thread.is_alive():
            self.server.stop()
            self.thread.join(10)
        self.listener.close()


def take_all(sock: socket.socket) -> bytes:
    received = b""
    while part := sock.recv(65_536):
        received += part
    return received


def take_answer(sock: socket.socket) -> bytes:
    """One answer with a length."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = sock.recv(65_536)
        if not part:
            return received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += sock.recv(65_536)
    return head + b"\r\n\r\n" + body
