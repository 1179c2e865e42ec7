"""Runs watched through a gateway, while they are recorded by the real journal service."""

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from intellyhub_engine.journal.records import Logged, RunFinished, RunStart, RunStatus, StepFinished, StepStatus
from tests.integration.front import front
from tests.integration.platform_processes import await_that

OWNER = "w1"


@pytest.fixture(scope="module")
def made():
    """A platform whose control plane lets everyone watch what the path says."""
    with front(journal=True) as found:
        found.tenant(secrets={"PASSWORD": "hunter22"})
        found.flow()
        stream = "X-IntellyHub-Stream"
        found.control(lambda got: (200, {stream: got.target[1:], "X-Frame-Options": "DENY"}, b"not this"))
        yield found


@contextmanager
def journal_of(made):
    client = made.client()
    try:
        yield client
    finally:
        client.close()


def begin(client, run_id, flow):
    start = RunStart(run_id=run_id, flow=flow.journal_name, version="d1", started_ns=time.time_ns())
    client.begin(start, owner=OWNER, lease_seconds=60)


def log(client, run_id, *messages):
    entries = [Logged(1, "info", message, time.time_ns()) for message in messages]
    client.record(run_id, entries, owner=OWNER, durable=True)


def finish(client, run_id):
    client.record(
        run_id, [RunFinished(RunStatus.SUCCEEDED, "end", None, None, time.time_ns())], owner=OWNER, durable=True
    )


class Watcher:
    """Reads a stream in a thread of its own."""

    def __init__(self, made, topic, place=None):
        self.messages, self.head = [], b""
        self.connection = socket.create_connection(("127.0.0.1", made.port), timeout=20)
        last = f"Last-Event-ID: {place}\r\n" if place is not None else ""
        self.connection.sendall(f"GET /{topic} HTTP/1.1\r\nHost: x\r\n{last}\r\n".encode())
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        with self.connection, self.connection.makefile("rb") as file:
            message = {}
            for line in file:
                name, _, value = line.decode().rstrip("\r\n").partition(": ")
                if name in ("id", "event", "data"):
                    message[name] = value
                elif not line.strip() and message:
                    self.messages.append(message)
                    message = {}
                elif not self.messages:
                    self.head += line

    def until(self, kind, count=1):
        await_that(lambda: [each["event"] for each in self.messages].count(kind) >= count)
        return self.messages

    def close(self):
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)  # wakes its thread
        self.thread.join(10)


@pytest.fixture
def watch(made):
    """`watch(topic, place)`: a watcher that goes away with the test."""
    watchers = []

    def begin_watching(topic, place=None):
        watchers.append(Watcher(made, topic, place))
        return watchers[-1]

    yield begin_watching
    for watcher in watchers:
        watcher.close()


def test_a_run_is_watched_live_and_again_from_any_place(made, watch):
    flow = made.flow()
    with journal_of(made) as client:
        begin(client, "run-live", flow)
        log(client, "run-live", "first")
        live = watch("runs/run-live")
        live.until("log")
        log(client, "run-live", "the password is hunter22")
        step = StepFinished(1, "s", "set", 1, StepStatus.SUCCEEDED, "end", 1, 2, {"p": "hunter22"}, None, None, ())
        client.record("run-live", [step], owner=OWNER, durable=True)
        finish(client, "run-live")
    messages = live.until("end")
    live.thread.join(10)  # a run that is over is a stream that is over
    assert not live.thread.is_alive()
    assert [each["event"] for each in messages] == ["status", "log", "log", "step", "end"]
    assert "hunter22" not in str(messages)
    assert json.loads(messages[3]["data"])["changes"] == {"p": "***"}
    assert b"text/event-stream" in live.head
    assert b"X-Frame-Options: DENY" in live.head
    again = watch("runs/run-live", messages[1]["id"])
    assert again.until("end") == messages[2:]


def test_a_flow_is_watched_from_now_on_and_shows_no_other_flow(made, watch):
    mine, other = made.flow(), made.flow("other")
    watcher = watch(f"flows/{mine.flow_id}")
    with journal_of(made) as client:
        await_that(lambda: b"retry" in watcher.head)
        begin(client, "run-other", other)
        deadline = time.monotonic() + 10
        number = 0
        while not watcher.messages and time.monotonic() < deadline:
            number += 1
            begin(client, f"run-mine-{number}", mine)
            time.sleep(0.05)
    assert watcher.messages
    assert all("run-mine" in each["data"] for each in watcher.messages)


def test_a_restart_of_journal_and_gateway_costs_a_watcher_nothing_but_a_new_connection(made, watch):
    flow = made.flow()
    with journal_of(made) as client:
        begin(client, "run-long", flow)
        log(client, "run-long", "one")
        first = watch("runs/run-long")
        seen = list(first.until("log"))
        made.end(made.journal)
        made.start_journal()
        made.end(made.gateway)
        made.start_gateway()
        first.thread.join(10)
        log(client, "run-long", "two")
        finish(client, "run-long")
        second = watch("runs/run-long", seen[-1]["id"])
        rest = second.until("end")
    assert [json.loads(each["data"]).get("message") for each in [*seen, *rest]] == [None, "one", "two", None]


def test_hundreds_watch_one_run(made, watch):
    flow = made.flow()
    with journal_of(made) as client:
        begin(client, "run-famous", flow)
        watchers = [watch("runs/run-famous") for _ in range(200)]
        for watcher in watchers:
            watcher.until("status")
        for part in range(5):
            log(client, "run-famous", *(f"{part}-{n}" for n in range(20)))
        finish(client, "run-famous")
        got = [watcher.until("end") for watcher in watchers]
    assert all(each == got[0] for each in got)
    assert [each["event"] for each in got[0]].count("log") == 100
