"""Whatever a client sends or does not read, it is the only one to suffer from it."""

import socket
import struct
import time
from typing import Any

import pytest

from intellyhub_engine.errors import JournalError, JournalUnwritable
from intellyhub_engine.journal.wire import Frames, Kind, make_frame, make_greeting
from intellyhub_knative.platform.journal import connection
from intellyhub_knative.platform.keys import Purpose
from tests.unit.engine.journal.runs import begin, make_event, record, step_finished
from tests.unit.knative.platform.journal.services import FLOW, KEYS, TENANT

GREETING = make_greeting(KEYS.token(Purpose.JOURNAL))


@pytest.fixture
def connect(service):
    opened = []

    def connect(*first):
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(10)
        made.connect(str(service.address))
        opened.append(made)
        for frame in first:
            made.sendall(frame)
        return made

    yield connect
    for made in opened:
        made.close()


def received(plug):
    """Everything until the service closes."""
    frames = Frames()
    answers: list[tuple[Any, bytes]] = []
    try:
        while data := plug.recv(65536):
            answers += frames.feed(data)
    except ConnectionResetError:
        pass
    return [head for head, _ in answers]


def test_a_greeting_is_answered_with_the_version(connect):
    plug = connect(GREETING)
    [(head, _)] = Frames().feed(plug.recv(1000))
    assert head == [0, Kind.VALUE, {"v": 1}]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (make_frame([0, "greet", {"v": 2, "token": "x"}]), "speaks version 1"),
        (make_frame([0, "greet", {"v": 1, "token": "x"}]), "not one of this platform's"),
        (make_frame([0, "greet", {}]), "speaks version 1"),
        (make_frame([0, "greet", []]), "not how a journal is spoken to"),
        (make_frame([1, "counts", [], False]), "not how a journal is spoken to"),
        (make_frame({}), "not how a journal is spoken to"),
        (b"GET / HTTP/1.1\r\n\r\n", "none of the journal's"),
        (struct.pack(">II", 100, 200) + b"x" * 96, "none of the journal's"),
        (struct.pack(">II", 8, 4) + b"nope", "not JSON"),
        (struct.pack(">II", 5000, 4), "none of the journal's"),
        (GREETING + struct.pack(">II", 17 << 20, 4), "none of the journal's"),
        (GREETING + struct.pack(">II", 0, 0), "none of the journal's"),
    ],
)
def test_who_does_not_keep_to_the_protocol_hears_why_and_is_sent_away(connect, client, sent, said):
    plug = connect(sent)
    [*_, (number, kind, (_, text))] = received(plug)
    assert (number, kind) == (0, Kind.ERROR)
    assert said in text
    assert client.counts()["dead"] == 0


def test_who_does_not_greet_is_sent_away(connect, monkeypatch):
    monkeypatch.setattr(connection, "_GREETING_SECONDS", 0.05)
    [(_, kind, (_, text))] = received(connect(GREETING[:10]))
    assert (kind, text) == (Kind.ERROR, "no greeting came")


def test_half_a_request_holds_up_nobody(connect, client):
    connect(GREETING, make_frame([1, "counts", [], False])[:-3])
    assert client.counts()["dead"] == 0


@pytest.mark.parametrize("operation", ["record", "begin", "settle", "history", "watch", "accept", "orphan", "nothing"])
@pytest.mark.parametrize("arguments", [[], ["x"], [[], {}, None, 1], None, [{}] * 13], ids=str)
def test_a_request_that_makes_no_sense_is_answered_with_an_error(connect, operation, arguments):
    plug = connect(GREETING, make_frame([7, operation, arguments, False], b"nonsense"))
    frames = Frames()
    answers: list[tuple[Any, bytes]] = []
    while len(answers) < 2:
        answers += frames.feed(plug.recv(65536))
    assert answers[1][0][:2] == [7, Kind.ERROR]


def test_who_reads_nothing_is_given_up_and_holds_up_nobody(connect, service, client, monkeypatch):
    monkeypatch.setattr(connection, "_MAX_UNREAD_BYTES", 1 << 20)
    begin(client)
    record(client, step_finished(changes={"x": "y" * 700_000}))
    plug = connect(GREETING, *[make_frame([number, "history", ["run-1", 0], False]) for number in range(1, 9)])
    deadline = time.monotonic() + 10
    while service.connection_count() > 1 and time.monotonic() < deadline:
        client.counts()
    assert service.connection_count() == 1
    plug.close()


def test_many_requests_at_once_are_all_answered(connect):
    frames = [make_frame([number, "cancel_requested", ["none"], False]) for number in range(1, 2501)]
    plug = connect(GREETING)
    plug.sendall(b"".join(frames[:1250]))
    plug.sendall(b"".join(frames[1250:]))
    cutter = Frames()
    answers: list[tuple[Any, bytes]] = []
    while len(answers) < 2501:
        answers += cutter.feed(plug.recv(65536))
    assert sorted(head[0] for head, _ in answers) == list(range(2501))


def test_a_client_hears_when_nobody_answers(tmp_path, service):
    client = service.client(patience_seconds=0.1)
    client.counts()
    service.stop()
    with pytest.raises(JournalUnwritable, match="does not answer"):
        client.accept(TENANT, [make_event()])
    service.start()
    assert client.counts()["unrouted"] == 0
    client.close()
    with pytest.raises(JournalError, match="is closed"):
        client.counts()


def test_a_run_longer_than_a_frame_is_read_whole(client):
    begin(client, flow=FLOW)
    for seq in range(1, 8):
        record(client, step_finished(seq, changes={"x": "y" * 3_000_000}))
    assert [entry.seq for entry in client.history("run-1").entries] == list(range(1, 8))
    assert [frame.entry and frame.entry.seq for frame in client.entries("run-1")] == [None, *range(1, 8)]


def test_entries_larger_together_than_a_frame_are_recorded(client):
    begin(client)
    entries = [step_finished(seq, changes={"x": "y" * 7_000_000}) for seq in (1, 2, 3)]
    record(client, *entries)
    assert client.history("run-1").entries == tuple(entries)
