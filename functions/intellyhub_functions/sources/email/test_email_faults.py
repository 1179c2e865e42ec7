"""What goes wrong between the email source and a server: nothing is lost, nothing doubled, health tells the truth."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import ssl
from typing import Any

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.sources.email import email as listener
from intellyhub_functions.sources.email.mailbox import Mailbox
from intellyhub_functions.sources.email.message import read_letter
from intellyhub_functions.testing.certificates import make_certificate
from intellyhub_functions.testing.imap_server import ImapServer
from intellyhub_functions.testing.mail_listening import letter, watch
from intellyhub_functions.testing.proxy import Proxy
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_functions.testing.standing import await_contact, await_failure, standing_of
from intellyhub_functions.testing.surroundings import await_that, configured


def test_the_server_may_go_and_come_back(tmp_path):
    with ImapServer() as server, watch(server, tmp_path, folder="INBOX", timeout=2) as source:
        await_contact(source)
        server.stop()
        await_failure(source)
        assert "cannot be used" in standing_of(source).reports[-1].message or "broke" in source.context.log.text()
        server.start()
        server.deliver(letter("after"), folder="INBOX")
        assert source.next().data["subject"] == "after"
        await_contact(source)


@pytest.mark.parametrize("idle", [True, False])
def test_a_connection_that_went_silent_is_found(server, tmp_path, idle):
    given: dict[str, Any] = {"idle": idle, "timeout": 0.5, "keepalive": 0.3}
    with (
        Proxy(("127.0.0.1", server.port)) as proxy,
        watch(server, tmp_path, port=proxy.port, **given) as source,
    ):
        await_contact(source)
        proxy.freeze()
        await_failure(source)
        server.deliver(letter("meanwhile"), folder="work")
        proxy.thaw()
        assert source.next().data["subject"] == "meanwhile"
        await_contact(source)


def test_a_connection_that_is_cut_while_it_waits_is_found_at_once(server, tmp_path):
    with Proxy(("127.0.0.1", server.port)) as proxy, watch(server, tmp_path, port=proxy.port) as source:
        await_contact(source)
        with proxy.gone():
            await_failure(source)
        server.deliver(letter("after"), folder="work")
        assert source.next().data["subject"] == "after"


def test_a_wrong_password_ends_the_listener_without_being_shown(server, tmp_path):
    with watch(server, tmp_path, password="wr0ng") as source:
        with pytest.raises(PermanentError, match="refuses the user") as failure:
            source.next()
        assert "wr0ng" not in str(failure.value) + source.context.log.text()


def test_an_access_token_is_taken_instead_of_a_password(tmp_path):
    with ImapServer() as server:
        given: dict[str, Any] = {"folder": "INBOX", "password": None}
        with watch(server, tmp_path, access_token=server.token, **given) as source:
            await_contact(source)
            server.deliver(letter("a"))
            assert source.next().data["subject"] == "a"
        with watch(server, tmp_path, access_token="st4le", **given) as source:
            with pytest.raises(PermanentError, match="refuses the user") as failure:
                source.next()
            assert "st4le" not in str(failure.value)


def test_an_access_token_is_asked_for_and_another_one_where_it_is_refused(tmp_path):
    class TokenEndpoint(LocalServer):
        def answer(self, call):
            return Answer.of_json({"access_token": "st4le" if len(self.calls) == 1 else ImapServer.token})

    with ImapServer() as server, TokenEndpoint() as endpoint:
        grant = {"token_url": endpoint.url, "client_id": "c", "refresh_token": "r"}
        with watch(server, tmp_path, folder="INBOX", password=None, oauth2=grant) as source:
            await_contact(source)
        assert len(endpoint.calls) == 2


def test_a_folder_that_is_missing_is_waited_for(server, tmp_path):
    with watch(server, tmp_path, folder="absent") as source:
        await_that(lambda: "'absent'" in source.context.log.text())
        assert not standing_of(source).connected


def test_a_message_that_is_none_stops_nothing(server, tmp_path):
    with watch(server, tmp_path) as source:
        await_contact(source)
        server.deliver(b"\xff\xfe no header at all", b"\r\n", letter("sound"), folder="work")
        assert [source.next().data["subject"] for _ in range(3)] == ["", "", "sound"]


def test_a_message_that_cannot_be_read_is_passed_by_loudly(server, tmp_path, monkeypatch):
    read = read_letter

    def stumble(raw):
        if b"evil" in raw:
            raise RecursionError("too deep")
        return read(raw)

    monkeypatch.setattr(listener, "read_letter", stumble)
    with watch(server, tmp_path) as source:
        await_contact(source)
        server.deliver(letter("evil"), letter("sound"), folder="work")
        assert source.next().data["subject"] == "sound"
        assert "passed by, it cannot be read" in source.context.log.text()


def test_a_message_that_the_server_does_not_give_is_passed_by_after_some_tries(server, tmp_path, monkeypatch):
    fetch, asked = Mailbox.fetch, []

    def refuse(self, uid, most_bytes):
        asked.append(uid)
        return fetch(self, uid, -1 if uid == asked[0] else most_bytes)

    monkeypatch.setattr(Mailbox, "fetch", refuse)
    monkeypatch.setattr(listener, "MAX_TRIES", 2)
    with watch(server, tmp_path) as source:
        await_contact(source)
        server.deliver(letter("lost"), letter("sound"), folder="work")
        assert source.next().data["subject"] == "sound"
        assert "the server does not give it" in source.context.log.text()


def test_of_a_message_that_is_too_large_the_beginning_comes(server, tmp_path, monkeypatch):
    monkeypatch.setattr(listener, "MAX_MESSAGE_BYTES", 400)
    with watch(server, tmp_path) as source:
        await_contact(source)
        server.deliver(letter("large", "x" * 10_000), folder="work")
        data = source.next().data
    assert (data["subject"], data["truncated"], 0 < len(data["body"]) < 400) == ("large", True, True)


def test_a_connection_can_be_encrypted_from_the_start(tmp_path):
    certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with ImapServer(server_tls=context) as server:
        server.tls = ssl.create_default_context(cafile=certificate.certificate)
        given: dict[str, Any] = {"folder": "INBOX", "use_ssl": True}
        with watch(server, tmp_path, **{**given, "ca_file": "server.pem"}) as source:
            await_contact(source)
            server.deliver(letter("secret"))
            assert source.next().data["subject"] == "secret"
        with watch(server, tmp_path, **given) as source, pytest.raises(PermanentError, match="certificate"):
            source.next()


def test_a_connection_that_has_to_be_encrypted_is_not_used_otherwise(tmp_path):
    with (
        ImapServer() as server,
        watch(server, tmp_path, starttls=True) as source,
        pytest.raises(PermanentError, match="STARTTLS"),
    ):
        source.next()


@pytest.mark.parametrize("missing", ["server", "username", "password"])
def test_a_listener_that_says_too_little_is_refused(server, tmp_path, missing):
    with watch(server, tmp_path, without=[missing]) as source, pytest.raises(PermanentError, match="needs server"):
        source.next()


def test_a_server_that_may_not_be_reached_is_refused(server, tmp_path):
    with (
        configured(INTELLYHUB_NETWORK="public"),
        watch(server, tmp_path) as source,
        pytest.raises(PermanentError, match="may not connect"),
    ):
        source.next()
