"""What a mail is made of, against a real SMTP server."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.mail import attachments
from intellyhub_functions.mail.message import addresses
from intellyhub_functions.states.command.command import perform as command
from intellyhub_functions.states.email.email import perform as send_mail
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.surroundings import await_that, make_step


def mail(**more):
    return {"to": "ada@example.org", "body": "x", **more}


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


def test_addresses_are_a_list_or_a_text():
    assert addresses("a@b.c; d@e.f,") == addresses(["a@b.c", "d@e.f "]) == ["a@b.c", "d@e.f"]


def test_the_email_kind_of_a_command_is_this_state(step, mailbox):
    assert command({"email": {"to": "ada@example.org", "subject": "Hi", "body": "x"}}, step).success
    assert mailbox.message()["subject"] == "Hi"


def test_files_of_the_workspace_are_attached(step, mailbox):
    (step.workspace / "out").mkdir()
    (step.workspace / "out/report.csv").write_bytes(b"a,b\n1,2\n")
    (step.workspace / "blob").write_bytes(b"\x00\xff")
    given = [
        "out/report.csv",
        {"path": "blob", "name": "../data\n.bin", "content_type": "message/rfc822"},
        {"content": "text", "name": "notà.txt"},
        {"content": "AAEC", "encoding": "base64", "name": "three"},
    ]
    send_mail(mail(html="<b>x</b>", attachments=given), step)
    parts = [
        (part.get_filename(), part.get_content_type(), part.get_payload(decode=True))
        for part in mailbox.message().iter_attachments()
    ]
    assert parts == [
        ("report.csv", "text/csv", b"a,b\n1,2\n"),
        ("data.bin", "application/octet-stream", b"\x00\xff"),
        ("notà.txt", "text/plain", b"text"),
        ("three", "application/octet-stream", b"\x00\x01\x02"),
    ]


@pytest.mark.parametrize("body", [{"body": "see picture"}, {"body": None}])
def test_a_picture_with_a_content_id_stands_within_the_html(step, mailbox, body):
    picture = {"content": b"GIF89a", "name": "logo.gif", "cid": "<logo>"}
    send_mail({"to": "ada@example.org", "html": '<img src="cid:logo">', "attachments": [picture], **body}, step)
    [related] = [part for part in mailbox.message().walk() if part.get_content_type() == "multipart/related"]
    assert [part.get_content_type() for part in related.iter_parts()] == ["text/html", "image/gif"]
    assert list(related.iter_parts())[1]["content-id"] == "<logo>"


def test_headers_may_be_added_but_none_that_have_a_parameter(step, mailbox):
    send_mail(mail(headers={"In-Reply-To": "<1@example.org>", "X-Number": 7}), step)
    assert (mailbox.message()["in-reply-to"], mailbox.message()["x-number"]) == ("<1@example.org>", "7")
    with pytest.raises(PermanentError, match="parameter of its own"):
        send_mail(mail(headers={"bcc": "evil@example.org"}), step)
    with pytest.raises(PermanentError, match="cannot be used"):
        send_mail(mail(headers={"X-A": "b\r\nBcc: evil@example.org"}), step)


@pytest.mark.parametrize(
    ("attachment", "message"),
    [
        ("../outside.txt", "outside the workspace"),
        ("missing.txt", "cannot be attached: No such file"),
        (".", "cannot be attached: Is a directory"),
        ({"name": "x"}, "has a path or content"),
        ({"content": "%", "encoding": "base64"}, "not base64"),
        ({"content": "0123456789"}, "larger than 5 bytes"),
        ("large.txt", "larger than 5 bytes"),
    ],
)
def test_what_cannot_be_attached_is_said(step, monkeypatch, attachment, message):
    monkeypatch.setattr(attachments, "MAX_BYTES", 5)
    (step.workspace / "large.txt").write_text("0123456789")
    with pytest.raises(PermanentError, match=message):
        send_mail(mail(attachments=[attachment]), step)


def test_the_example_mails_its_report(server, mailbox, tmp_path):
    names = {"SMTP_SERVER": "127.0.0.1", "SMTP_PORT": str(server.port), "SMTP_FROM": "flow@example.org"}
    run_example(Path(__file__).parent, tmp_path, names=names)
    await_that(lambda: mailbox.envelopes)
    assert [part.get_filename() for part in mailbox.message().iter_attachments()] == ["today.csv"]
