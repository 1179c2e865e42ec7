"""The journal over HTTP: one request, one answer, then frames; tokens that end; wires that are cut without a word."""

import asyncio
import http.client
import socket
import threading
import time
from contextlib import closing, suppress

import pytest

from intellyhub_engine.errors import InputInvalid, JournalUnwritable, RunNotFound
from intellyhub_engine.journal import address, distance
from intellyhub_engine.journal.credentials import TokenFile
from intellyhub_engine.journal.remote import RemoteJournal
from intellyhub_functions.testing.certificates import make_certificate
from intellyhub_knative.platform.journal import http_door, link
from intellyhub_knative.platform.journal.access import flow_token
from intellyhub_knative.platform.journal.client import AsyncJournalClient, JournalClient
from intellyhub_knative.platform.keys import Purpose
from tests.unit.engine.journal.runs import begin, finished, make_event, record, step_finished
from tests.unit.knative.platform.journal.cable import Cable
from tests.unit.knative.platform.journal.services import FLOW, KEYS, Service

TOKEN = KEYS.token(Purpose.JOURNAL)


@pytest.fixture
def service(clock):
    made = Service(clock, is_far=True)
    yield made
    made.remove()


@pytest.fixture
def quick(monkeypatch):
    """Losses are noticed in tenths of seconds."""
    for module in (distance, link):
        monkeypatch.setattr(module, "PING_SECONDS", 0.2)
        monkeypatch.setattr(module, "SILENT_SECONDS", 0.2)


@pytest.fixture
def cable(service):
    made = Cable(service)
    yield made
    made.close()


def test_a_journal_is_used_over_http(service):
    with closing(service.far_journal()) as journal:
        begin(journal)
        record(journal, step_finished(), finished())
        assert journal.history("run-1").entries == (step_finished(), finished())
    with closing(JournalClient(service.far, TOKEN)) as client:
        assert [run.run_id for run in client.runs()] == ["run-1"]


def test_a_flow_has_over_http_what_it_has_at_the_socket(service):
    with closing(service.far_journal()) as platform, closing(service.far_journal(flow_token(KEYS, FLOW))) as worker:
        begin(platform, "foreign", flow="other/flow")
        begin(worker, "own", flow=FLOW)
        with pytest.raises(RunNotFound):
            worker.history("foreign")
        with pytest.raises(JournalUnwritable):
            worker.accept("other", [make_event()])


def test_an_event_loop_uses_it_too(service):
    async def use():
        client = AsyncJournalClient(service.far, TOKEN)
        await client.accept("a" * 32, [make_event()])
        begun = [one.event.id for one in await client.unrouted()]
        await client.close()
        return begun

    assert asyncio.run(use()) == ["1"]


def test_it_is_found_again_when_it_was_away(service):
    with closing(service.far_journal()) as journal:
        begin(journal)
        record(journal, step_finished(1), durable=False)
        service.stop()
        service.start()
        record(journal, step_finished(2))
        assert [entry.seq for entry in journal.history("run-1").entries] == [1, 2]


@pytest.mark.parametrize("token", ["wrong", "a.b.c", f"{FLOW}:wrong", pytest.param("x" * 4000, id="long")])
def test_a_wrong_token_is_refused_at_once(service, token):
    began = time.monotonic()
    with closing(service.far_journal(token)) as journal, pytest.raises(JournalUnwritable, match="let this process in"):
        begin(journal)
    assert time.monotonic() - began < 5
    assert service.reception.refused == 1


@pytest.mark.parametrize("token", ["two words", "line\r\nX-Evil: 1", "é"])
def test_a_token_that_fits_no_header_is_not_sent(service, token):
    with closing(service.far_journal(token)) as journal, pytest.raises(JournalUnwritable, match="no token has"):
        begin(journal)


def test_the_token_is_read_anew_for_each_connection(service, tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    with closing(service.far_journal(TokenFile(path))) as journal:
        begin(journal)
        path.write_text("replaced by a wrong one")
        record(journal, step_finished(1))  # the connection stands
        path.write_text(flow_token(KEYS, "flow"))
        service.stop()
        service.start()
        with pytest.raises(JournalUnwritable):
            journal.accept("other", [make_event()])


def test_a_token_file_that_is_missing_or_empty_is_named(service, tmp_path):
    path = tmp_path / "token"
    with closing(service.far_journal(TokenFile(path), patience_seconds=0.1)) as journal:
        with pytest.raises(JournalUnwritable, match=str(path)):
            begin(journal)
        path.write_text(" ")
        with pytest.raises(JournalUnwritable, match=str(path)):
            begin(journal)


def ask(service, method="GET", path="/", headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=5)
    with closing(connection):
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers


UPGRADE = {"Connection": "Upgrade", "Upgrade": address.PROTOCOL}


def test_pages_tell_how_it_is(service):
    assert ask(service, path="/healthz")[0] == 200
    assert ask(service, path="/readyz")[0] == 200
    with closing(service.far_journal()) as journal:
        begin(journal)
        status, body, _ = ask(service, path="/metrics")
    assert status == 200
    assert b"intellyhub_journal_connections 1.0" in body
    assert b"intellyhub_journal_owner 1.0" in body
    assert ask(service, "POST", "/healthz")[0] == 405
    assert ask(service, path="/other")[0] == 404


def test_without_a_database_clients_are_told_to_come_again(service):
    house, service.reception.house = service.reception.house, None
    assert ask(service, path="/healthz")[0] == 200
    assert ask(service, path="/readyz")[0] == 503
    status, _, headers = ask(service, path="/journal", headers={**UPGRADE, "Authorization": f"Bearer {TOKEN}"})
    assert (status, headers["Retry-After"]) == (503, "1")
    with (
        closing(service.far_journal(patience_seconds=0.3)) as journal,
        pytest.raises(JournalUnwritable, match="no data"),
    ):
        begin(journal)
    service.reception.house = house
    with closing(service.far_journal()) as journal:
        begin(journal)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 426),
        ({**UPGRADE, "Upgrade": "websocket", "Authorization": f"Bearer {TOKEN}"}, 426),
        ({**UPGRADE}, 401),
        ({**UPGRADE, "Authorization": TOKEN}, 401),
        ({**UPGRADE, "Authorization": f"Basic {TOKEN}"}, 401),
        ({**UPGRADE, "Authorization": "Bearer "}, 401),
        ({**UPGRADE, "Authorization": f"Bearer {TOKEN}", "Content-Length": "5"}, 400),
        ({"X": "y" * 20_000}, 431),
    ],
)
def test_whoever_asks_for_something_else_is_told_so(service, headers, status):
    assert ask(service, path="/journal", headers=headers)[0] == status


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n",
        b"GET /journal\r\n\r\n",
        b"GET /healthz SPDY/3\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nbroken\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /journal HTTP/1.1\r\nAuthorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n",
        b"\x00\x00\x00\x10\x00\x00\x00\x04",
    ],
)
def test_what_is_no_request_ends_the_connection(service, request_bytes, monkeypatch):
    monkeypatch.setattr(http_door, "_HEAD_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as raw:
        raw.sendall(request_bytes)
        answer = b""
        with suppress(ConnectionResetError):
            while received := raw.recv(4096):
                answer += received
    assert not answer or answer.startswith(b"HTTP/1.1 400 ")


def test_who_says_nothing_is_sent_away(service, monkeypatch):
    monkeypatch.setattr(http_door, "_HEAD_SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as raw, suppress(ConnectionResetError):
        assert raw.recv(1) == b""
    deadline = time.monotonic() + 5
    while http_door.HttpDoor.strangers:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_strangers_are_limited_and_friends_go_on(service, monkeypatch):
    with closing(service.far_journal()) as journal:
        begin(journal)
        monkeypatch.setattr(http_door, "_MOST_STRANGERS", 2)
        strangers = [socket.create_connection(("127.0.0.1", service.port), timeout=5) for _ in range(3)]
        with suppress(ConnectionResetError):
            assert strangers[2].recv(1) == b""
        record(journal, step_finished())
        for one in strangers:
            one.close()


def test_a_proxy_that_forwards_nothing_is_noticed_and_gone_round(service, cable, quick):
    with closing(RemoteJournal(cable.address, TOKEN)) as journal:
        begin(journal)
        cable.is_cut = True
        record(journal, step_finished())
        assert cable.count == 2
        assert journal.history("run-1").entries == (step_finished(),)


def test_an_event_loop_notices_it_too(service, cable, quick):
    async def use():
        client = AsyncJournalClient(cable.address, TOKEN)
        await client.counts()
        cable.is_cut = True
        counted = await client.counts()
        await client.close()
        return counted

    assert asyncio.run(use()) == {"unrouted": 0, "pending": 0, "dead": 0}
    assert cable.count == 2


def test_an_answer_that_takes_long_is_waited_for(service, cable, quick):
    with closing(JournalClient(cable.address, TOKEN)) as client, closing(service.client()) as other:
        client.wait_for_work(0)
        later = threading.Timer(0.9, other.accept, args=("a" * 32, [make_event()]))
        later.start()
        began = time.monotonic()
        client.wait_for_work(30)
        later.join()
    assert time.monotonic() - began > 0.8
    assert cable.count == 1


def test_a_service_that_is_silent_from_the_start_is_away(monkeypatch):
    monkeypatch.setattr("intellyhub_engine.journal.doors._GREETING_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        journal = RemoteJournal(f"http://127.0.0.1:{port}", TOKEN, patience_seconds=0.2)
        with closing(journal), pytest.raises(JournalUnwritable, match="does not answer"):
            begin(journal)


@pytest.mark.parametrize("answer", [b"x" * 100_000, b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_something_else_in_its_place_is_not_taken_for_it(answer):
    def serve():
        with suppress(OSError):
            while True:
                came, _ = other.accept()
                with came, suppress(OSError):
                    came.recv(4096)
                    came.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as other:
        thread = threading.Thread(target=serve)
        thread.start()
        journal = RemoteJournal(f"http://127.0.0.1:{other.getsockname()[1]}", TOKEN, patience_seconds=0.1)
        with closing(journal), pytest.raises(JournalUnwritable, match="does not answer"):
            begin(journal)
        other.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_it_is_spoken_to_over_tls(clock, tmp_path):
    certificate = make_certificate(tmp_path)
    service = Service(clock, is_far=True, certificate=certificate)
    try:
        with closing(service.far_journal(authority=certificate.certificate)) as journal:
            begin(journal)
            threads = [
                threading.Thread(target=record, args=(journal, step_finished(seq)), kwargs={"durable": True})
                for seq in range(1, 20)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(journal.history("run-1").entries) == 19

        async def use():
            client = AsyncJournalClient(service.far, TOKEN, authority=certificate.certificate)
            counted = await client.counts()
            await client.close()
            return counted

        assert asyncio.run(use())["dead"] == 0
        with closing(service.far_journal(patience_seconds=0.1)) as journal, pytest.raises(JournalUnwritable):
            begin(journal)
    finally:
        service.remove()


@pytest.mark.parametrize("text", ["http://", "http://host:x", "http://host/path", "https://u:p@host", "http://h?x=1"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(InputInvalid):
        RemoteJournal(text, TOKEN)
