"""The email source against real IMAP servers."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from pathlib import Path
from typing import Any

import pytest

from intellyhub_engine.machine.source import MemoryCursors
from intellyhub_functions.sources.email.email import listen
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.mail_listening import letter, subjects, watch
from intellyhub_functions.testing.standing import Standing, await_contact
from intellyhub_functions.testing.surroundings import Listening, Log, await_that, make_context


@pytest.mark.parametrize("idle", [True, False])
def test_a_message_is_an_event(server, tmp_path, idle):
    with watch(server, tmp_path, idle=idle) as source:
        await_contact(source)
        server.deliver(letter("Invoice"), folder="work")
        event = source.next()
    expected = {
        "from": "Ada <ada@example.org>",
        "sender": "Ada <ada@example.org>",
        "from_address": "ada@example.org",
        "to": "support@example.com",
        "subject": "Invoice",
        "content": "hello\r\n",
        "date": "Fri, 21 Nov 2025 09:00:00 +0000",
        "message_id": "<Invoice@example.org>",
        "folder": "work",
        "attachments": [],
        "truncated": False,
    }
    assert {name: event.data[name] for name in expected} == expected
    assert (event.type, event.subject) == ("io.intellyhub.email.message", "Invoice")
    assert event.id.endswith(f"-{event.data['uid']}")


def test_messages_from_before_the_first_contact_are_skipped(server, tmp_path):
    server.deliver(letter("old"), folder="work")
    with watch(server, tmp_path) as source:
        await_contact(source)
        server.deliver(letter("new"), folder="work")
        assert source.next().data["subject"] == "new"


def test_of_those_the_unseen_ones_come_when_asked_for(server, tmp_path):
    server.deliver(letter("read"), folder="work", flags=[rb"\Seen"])
    server.deliver(letter("unread"), letter("also"), folder="work")
    with watch(server, tmp_path, emit_existing=True) as source:
        assert subjects(source, 2) == ["unread", "also"]


def test_a_message_is_marked_as_seen_when_its_event_is_safe_and_not_before(server, tmp_path):
    seen: list[list[bool]] = []
    with watch(server, tmp_path, consume=lambda event: seen.append(server.flags("work"))) as source:
        await_contact(source)
        server.deliver(letter("a"), folder="work")
        source.next()
        await_that(lambda: server.flags("work") == [True])
    assert seen == [[False]]


def test_a_folder_can_be_left_as_it_is(server, tmp_path):
    with watch(server, tmp_path, mark_seen=False) as source:
        await_contact(source)
        server.deliver(letter("a"), letter("b"), folder="work")
        assert subjects(source, 2) == ["a", "b"]
    assert server.flags("work") == [False, False]


def test_what_came_while_nobody_listened_is_not_lost_and_nothing_comes_twice(server, tmp_path):
    cursors = MemoryCursors()
    with watch(server, tmp_path, cursors) as source:
        await_contact(source)
        server.deliver(letter("first"), folder="work")
        first = source.next()
        await_that(lambda: server.flags("work") == [True])
    server.deliver(letter("second"), letter("third"), folder="work")
    with watch(server, tmp_path, cursors) as source:
        assert subjects(source, 2) == ["second", "third"]
    assert first.data["subject"] == "first"


def test_an_event_that_was_not_safe_yet_comes_again_with_the_same_id(server, tmp_path):
    cursors, ids = MemoryCursors(), []

    def fall(event):
        ids.append(event.id)
        raise RuntimeError("the platform is gone")

    with watch(server, tmp_path, cursors, fall) as source:
        await_contact(source)
        server.deliver(letter("a"), folder="work")
        source.next()
        with pytest.raises(RuntimeError):
            source.next()
    with watch(server, tmp_path, cursors) as source:
        assert [source.next().id] == ids


def test_only_messages_that_fit_the_filter_come(server, tmp_path):
    with watch(server, tmp_path, filter="subject:LEAD from:ada@example.org") as source:
        await_contact(source)
        server.deliver(letter("spam"), letter("New lead"), letter("leads"), folder="work")
        assert subjects(source, 2) == ["New lead", "leads"]


def test_messages_of_a_folder_that_is_numbered_anew_come_once(server, tmp_path):
    cursors = MemoryCursors()
    server.deliver(letter("old"), folder="work")
    with watch(server, tmp_path, cursors) as source:
        await_contact(source)
        server.deliver(letter("told"), folder="work")
        source.next()
        await_that(lambda: server.flags("work")[-1])
    server.make_folder("work")  # the same name, another UIDVALIDITY, UIDs from the beginning
    server.deliver(letter("new"), letter("old"), letter("told"), letter("newer"), folder="work")
    with watch(server, tmp_path, cursors) as source:
        assert subjects(source, 2) == ["new", "newer"]
        server.deliver(letter("last"), folder="work")
        assert source.next().data["subject"] == "last"
        assert "anew" in source.context.log.text()


ATTACHED = b"""\
From: a@b.c\r
Subject: files\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=XX\r
\r
--XX\r
Content-Type: text/plain; charset=utf-8\r
\r
see there\r
--XX\r
Content-Type: application/pdf\r
Content-Disposition: attachment; filename="../../etc/pass\twd.pdf"\r
Content-Transfer-Encoding: base64\r
\r
JVBERg==\r
--XX\r
Content-Type: text/csv\r
Content-Disposition: attachment; filename="..\\..\\passwd.pdf"\r
\r
a,b\r
--XX--\r
"""


def test_attached_files_are_saved_in_the_workspace_and_nowhere_else(server, tmp_path):
    workspace = tmp_path / "workspace"
    with watch(server, workspace, save_attachments=True) as source:
        await_contact(source)
        server.deliver(ATTACHED, folder="work")
        data = source.next().data
    files = data["attachments"]
    assert data["body"] == "see there"
    assert [file["name"] for file in files] == ["pass wd.pdf", "passwd.pdf"]
    assert [(workspace / file["path"]).read_bytes() for file in files] == [b"%PDF", b"a,b"]
    assert all(file["path"].startswith("attachments/") for file in files)
    assert [path.name for path in tmp_path.iterdir()] == ["workspace"]


def test_a_file_that_cannot_be_saved_is_told_without_a_path(server, tmp_path):
    with watch(server, tmp_path, save_attachments=True, attachments_path="../elsewhere") as source:
        await_contact(source)
        server.deliver(ATTACHED, folder="work")
        assert [file["path"] for file in source.next().data["attachments"]] == ["", ""]
        assert "outside the workspace" in source.context.log.text()


def test_what_is_left_out_comes_from_the_tenants_variables(server, tmp_path):
    names = {"IMAP_SERVER": "127.0.0.1", "EMAIL_USERNAME": server.user, "EMAIL_PASSWORD": server.password}
    context = make_context(tmp_path, log=Log(), report=Standing(), settings=names)
    given: dict[str, Any] = {
        "port": server.port,
        "use_ssl": server.tls is not None,
        "verify_tls": False,
        "folder": "work",
    }
    with Listening(listen(given, context), context) as source:
        await_contact(source)


def test_the_example_keeps_the_subject_of_a_message_that_came(server, tmp_path):
    with watch(server, tmp_path) as source:
        await_contact(source)
        server.deliver(letter("Invoice"), folder="work")
        event = source.next()
    run_example(Path(__file__).parent, tmp_path, names={"IMAP_USERNAME": "u", "IMAP_PASSWORD": "p"}, event=event)
    assert (tmp_path / "seen.txt").read_text() == "Ada <ada@example.org>: Invoice\n"
