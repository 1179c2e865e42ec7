"""Mail, against a real SMTP server."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import smtplib
import socket
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.states.command.mail import addresses, find_encryption, send_mail
from intellyhub_functions.testing.surroundings import Log, make_step


class Mailbox:
    """What the server took; refuses recipients called `nobody`."""

    def __init__(self):
        self.envelopes = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.envelopes.append(envelope)
        return "250 OK"

    def message(self):
        return message_from_bytes(self.envelopes[0].content, policy=policy.default)


@pytest.fixture
def mailbox():
    return Mailbox()


@pytest.fixture
def server(mailbox):
    def check(server, session, envelope, mechanism, data):
        return AuthResult(success=data.password == b"right", handled=False)

    controller = Controller(mailbox, hostname="127.0.0.1", port=0, authenticator=check, auth_require_tls=False)
    with socket.socket() as free:  # the controller connects to its own port to see that it works: it must know it
        free.bind(("127.0.0.1", 0))
        controller.port = free.getsockname()[1]
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def step(tmp_path, server):
    names = {"SMTP_SERVER": "127.0.0.1", "SMTP_PORT": str(server.port), "SMTP_FROM": "flow@example.org"}
    return make_step(tmp_path, outer=names, log=Log())


def test_a_mail_arrives_with_text_and_html(step, mailbox):
    result = send_mail(
        {
            "to": ["Ada <ada@example.org>", "bob@example.org"],
            "cc": "eva@example.org",
            "bcc": "secret@example.org",
            "reply_to": "desk@example.org",
            "subject": "Già fatto",
            "body": "plain",
            "html": "<b>rich</b>",
        },
        step,
    )
    assert result.success
    envelope, message = mailbox.envelopes[0], mailbox.message()
    assert envelope.rcpt_tos == ["ada@example.org", "bob@example.org", "eva@example.org", "secret@example.org"]
    assert (message["from"], message["subject"], message["reply-to"]) == (
        "flow@example.org",
        "Già fatto",
        "desk@example.org",
    )
    assert message.get_body(("plain",)).get_content().strip() == "plain"
    assert message.get_body(("html",)).get_content().strip() == "<b>rich</b>"
    assert "secret@example.org" not in message.as_string()
    assert "run-1.1" in message["message-id"]


def test_without_a_recipient_it_goes_to_smtp_to_or_else_to_the_sender(tmp_path, step, mailbox):
    send_mail({"subject": "Daily Digest", "body": "- a\n- b"}, step)
    assert mailbox.envelopes[0].rcpt_tos == ["flow@example.org"]


def test_a_refused_recipient_is_warned_about_and_none_left_is_a_failure(step, mailbox):
    assert send_mail({"to": "ada@example.org, nobody@example.org", "body": "x"}, step).success
    assert "nobody@example.org was refused: 550" in step.log.text()
    with pytest.raises(PermanentError, match=r"refuses every recipient: nobody@example\.org: 550"):
        send_mail({"to": "nobody@example.org", "body": "x"}, step)


def test_a_line_end_in_a_subject_or_address_smuggles_no_header_in(step, mailbox):
    send_mail({"to": "ada@example.org", "subject": "a\r\nBcc: evil@example.org", "body": "x"}, step)
    assert mailbox.message()["bcc"] is None
    with pytest.raises(PermanentError, match="cannot be used"):
        send_mail({"to": "ada@example.org", "reply_to": "a@b.c\r\nBcc: evil@example.org", "body": "x"}, step)


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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RetryableError, match="cannot be used"):
        send_mail({"server": "127.0.0.1", "port": port, "to": "a@b.c", "from": "d@e.f"}, make_step(tmp_path))


@pytest.mark.parametrize(("code", "error"), [(421, RetryableError), (554, PermanentError)])
def test_the_servers_answer_decides_whether_another_try_helps(step, monkeypatch, code, error):
    def refuse(*arguments, **options):
        raise smtplib.SMTPDataError(code, b"not now")

    monkeypatch.setattr(smtplib.SMTP, "send_message", refuse)
    with pytest.raises(error, match=f"answers {code}: not now"):
        send_mail({"to": "ada@example.org", "body": "x"}, step)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "set the variable SMTP_SERVER"),
        ({"server": "h", "port": "x"}, "not a number"),
        ({"server": "h"}, "no sender"),
    ],
)
def test_what_is_missing_is_named(tmp_path, parameters, message):
    with pytest.raises(PermanentError, match=message):
        send_mail(parameters, make_step(tmp_path))


@pytest.mark.parametrize(
    ("written", "port", "found"),
    [("", 587, "starttls"), ("", 465, "tls"), ("true", 25, "required"), ("ssl", 2465, "tls"), ("false", 25, "none")],
)
def test_tls_is_read_as_people_write_it(written, port, found):
    assert find_encryption(written, port) == found


def test_addresses_are_a_list_or_a_text():
    assert addresses("a@b.c; d@e.f,") == addresses(["a@b.c", "d@e.f "]) == ["a@b.c", "d@e.f"]
