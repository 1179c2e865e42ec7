"""Handing mail to a real SMTP server: who one is, encryption, and what goes wrong."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import smtplib
import socket
import ssl
import threading
from contextlib import contextmanager
from urllib.parse import parse_qs

import pytest
from aiosmtpd.smtp import SMTP

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled
from intellyhub_functions.mail.account import find_account, find_encryption
from intellyhub_functions.mail.keeping import Keeping
from intellyhub_functions.mail.tokens import AccessTokens, read_grant, tokens_of
from intellyhub_functions.states.email.email import perform as send_mail
from intellyhub_functions.testing.certificates import make_certificate
from intellyhub_functions.testing.ports import free_port
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_functions.testing.smtp_server import serving
from intellyhub_functions.testing.surroundings import configured, make_step


def mail(**more):
    return {"to": "ada@example.org", "body": "x", **more}


def test_the_password_is_used_and_a_wrong_one_is_told_without_being_shown(step, mailbox):
    login = {"to": "ada@example.org", "body": "x", "username": "flow"}
    assert send_mail({**login, "password": "right"}, step).success
    with pytest.raises(PermanentError, match="refuses the user 'flow'") as failure:
        send_mail({**login, "password": "wr0ng"}, step)
    assert "wr0ng" not in str(failure.value)


def test_encryption_that_is_required_is_never_left_out(step):
    with pytest.raises(PermanentError, match="STARTTLS"):
        send_mail({"to": "ada@example.org", "body": "x", "tls": True}, step)


def test_a_server_that_is_away_may_come_back(tmp_path):
    with pytest.raises(RetryableError, match="cannot be used"):
        send_mail({"server": "127.0.0.1", "port": free_port(), "to": "a@b.c", "from": "d@e.f"}, make_step(tmp_path))


@pytest.mark.parametrize(("code", "error"), [(421, RetryableError), (554, PermanentError)])
def test_the_servers_answer_decides_whether_another_try_helps(step, monkeypatch, code, error):
    def refuse(*arguments, **options):
        raise smtplib.SMTPDataError(code, b"not now")

    monkeypatch.setattr(smtplib.SMTP, "send_message", refuse)
    with pytest.raises(error, match=f"answers {code}: not now"):
        send_mail({"to": "ada@example.org", "body": "x"}, step)


@pytest.mark.parametrize(
    ("written", "port", "found"),
    [("", 587, "starttls"), ("", 465, "tls"), ("true", 25, "required"), ("ssl", 2465, "tls"), ("false", 25, "none")],
)
def test_tls_is_read_as_people_write_it(written, port, found):
    assert find_encryption(written, port) == found


def test_tls_that_says_nothing_is_not_taken_for_less_than_its_author_thinks(step):
    with pytest.raises(PermanentError, match="tls is 'strict'"):
        send_mail(mail(tls="strict"), step)


@pytest.mark.parametrize("tls", ["tls", "starttls"])
def test_a_mail_goes_over_tls_to_a_server_whose_certificate_is_trusted(tmp_path, mailbox, step_for, tls):
    certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with serving(mailbox, **{"ssl_context" if tls == "tls" else "tls_context": context}) as server:
        step = step_for(server)
        assert send_mail(mail(tls=tls, server="localhost", ca_file="server.pem"), step).success
        assert send_mail(mail(tls=tls, server="localhost", ca_file=certificate.certificate.read_text()), step).success
        assert send_mail(mail(tls=tls, verify_tls=False), step).success
        with pytest.raises(PermanentError, match="secure connection failed"):
            send_mail(mail(tls=tls, server="localhost"), step)


def test_a_certificate_that_is_none_is_said(step):
    (step.workspace / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(PermanentError, match="cannot be read"):
        send_mail(mail(ca_file="bad.pem"), step)


class TokenEndpoint(LocalServer):
    """Gives the tokens `stale`, then `fresh`."""

    answers = ("stale", "fresh")
    rotates = False
    status = 200

    def answer(self, call):
        if self.status != 200:
            return Answer.of_json({"error": "invalid_grant"}, self.status)
        told = {"access_token": self.answers[min(len(self.calls), 2) - 1], "expires_in": 3600}
        return Answer.of_json(told | ({"refresh_token": f"rotated-{len(self.calls)}"} if self.rotates else {}))


@pytest.fixture
def endpoint():
    with TokenEndpoint() as server:
        yield server


def test_a_token_is_asked_for_and_another_one_where_it_is_refused(step, mailbox, endpoint):
    grant = {"token_url": endpoint.url, "client_id": "c", "client_secret": "s3cret", "refresh_token": "r3fresh"}
    given = mail(username="flow@example.org", oauth2=grant)
    assert send_mail(given, step).success
    assert send_mail(given, step).success  # the token is kept
    assert mailbox.shown == ["auth=Bearer stale", "auth=Bearer fresh", "auth=Bearer fresh"]
    assert b"grant_type=refresh_token" in endpoint.calls[0].body
    assert len(endpoint.calls) == 2
    assert "s3cret" not in repr(find_account(given, step))


def test_a_refresh_token_that_the_endpoint_changes_is_kept_sealed_with_the_flow(step, endpoint):
    endpoint.answers = ("fresh", "fresh")
    endpoint.rotates = True
    grant = {"token_url": endpoint.url, "client_id": "c", "refresh_token": "r3fresh"}
    given = mail(username="flow@example.org", oauth2=grant)
    for _ in range(3):
        assert send_mail(given, step).success
        tokens_of.cache_clear()  # as after a restart
    asked = [parse_qs(call.body.decode())["refresh_token"] for call in endpoint.calls]
    assert asked == [["r3fresh"], ["rotated-1"], ["rotated-2"]]
    assert len(step.memory.values) == 1
    assert "rotated" not in repr(step.memory.values)
    other = {**grant, "refresh_token": "another"}  # the tenant has granted anew
    assert send_mail(mail(username="flow@example.org", oauth2=other), step).success
    assert b"another" in endpoint.calls[-1].body


def test_a_refresh_token_that_another_process_was_given_is_used(step, endpoint):
    endpoint.answers = ("fresh", "fresh")
    endpoint.rotates = True
    grant = read_grant({"oauth2": {"token_url": endpoint.url, "client_id": "c", "refresh_token": "r"}})
    assert grant is not None
    keeping = Keeping(read=step.memory.read, write=step.memory.write, log=step.log)
    one, other = AccessTokens(grant), AccessTokens(grant)
    for tokens in (one, other, one):
        shown: list[str] = []

        def refuse(token, shown=shown):
            shown.append(token)
            if len(shown) == 1:
                raise ValueError("it has ended")

        tokens.show(refuse, keeping, refuses=lambda fault: True, cancelled=step.cancelled)
    asked = [parse_qs(call.body.decode())["refresh_token"] for call in endpoint.calls]
    assert asked == [["r"], *([f"rotated-{number}"] for number in range(1, 5))]


def test_a_token_that_is_refused_is_told_without_being_shown(step):
    with pytest.raises(PermanentError, match=r"refuses the user 'flow@example\.org': 535") as failure:
        send_mail(mail(username="flow@example.org", access_token="t0ken"), step)
    assert "t0ken" not in str(failure.value)


@pytest.mark.parametrize(("status", "error"), [(400, PermanentError), (503, RetryableError)])
def test_a_grant_that_is_refused_ends_the_step_and_an_endpoint_that_is_away_may_come_back(
    step, endpoint, status, error
):
    endpoint.status = status
    with pytest.raises(error, match="token"):
        send_mail(mail(username="u", oauth2={"token_url": endpoint.url, "client_id": str(status)}), step)


@pytest.mark.parametrize(
    ("grant", "message"), [({"provider": "goggle"}, "known are google"), ({"client_id": "c"}, "oauth2 needs")]
)
def test_a_grant_that_says_too_little_is_refused(step, grant, message):
    with pytest.raises(PermanentError, match=message):
        send_mail(mail(oauth2=grant), step)


@contextmanager
def silent_server(greeting=b""):
    """Takes connections and says no more than its greeting."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        taken = []

        def serve():
            try:
                while True:
                    taken.append(silent.accept()[0])
                    taken[-1].sendall(greeting)
            except OSError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield silent.getsockname()[1]
        silent.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in taken:
            connection.close()


@pytest.mark.parametrize("greeting", [b"", b"220 hello\r\n"])
def test_a_server_that_never_answers_is_given_up(tmp_path, greeting):
    with silent_server(greeting) as port:
        given = mail(server="127.0.0.1", port=port, **{"from": "d@e.f"})
        with pytest.raises(RetryableError, match=r"no answer in time|timed out"):
            send_mail(given, make_step(tmp_path, timeout_seconds=0.3))


def test_a_run_that_is_cancelled_waits_for_no_server(tmp_path):
    with silent_server() as port:
        step = make_step(tmp_path)
        threading.Timer(0.2, step.cancelled.set).start()
        with pytest.raises(StepCancelled):
            send_mail(mail(server="127.0.0.1", port=port, **{"from": "d@e.f"}), step)


def test_a_mail_that_the_server_took_is_sent_whatever_happens_then(step, mailbox, monkeypatch):
    async def break_off(self, argument):
        self.transport.abort()

    monkeypatch.setattr(SMTP, "smtp_QUIT", break_off)
    assert send_mail(mail(), step).success
    assert len(mailbox.envelopes) == 1


def test_an_address_that_flows_may_not_reach_is_refused(step):
    with configured(INTELLYHUB_NETWORK="public"), pytest.raises(PermanentError, match="may not connect"):
        send_mail(mail(), step)
