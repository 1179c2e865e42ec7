"""Letters, and an email source that listens to a test's IMAP server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import Cursors
from intellyhub_functions.sources.email.email import listen
from intellyhub_functions.testing.imap_server import Postbox
from intellyhub_functions.testing.standing import Standing
from intellyhub_functions.testing.surroundings import Listening, Log, make_context

__all__ = ["letter", "subjects", "watch"]

LETTER = b"""\
From: Ada <ada@example.org>\r
To: support@example.com\r
Subject: %s\r
Date: Fri, 21 Nov 2025 09:00:00 +0000\r
Message-ID: <%s@example.org>\r
\r
%s\r
"""


def letter(subject: str, body: str = "hello") -> bytes:
    """A plain message whose Message-ID is made of its subject."""
    return LETTER % (subject.encode(), subject.encode(), body.encode())


def watch(
    server: Postbox,
    workspace: Path,
    cursors: Cursors | None = None,
    consume: Callable[[Event], Any] = lambda event: None,
    *,
    without: Sequence[str] = (),
    **parameters: Any,
) -> Any:
    """`Listening` on a source of the folder `work`, with these parameters and none of those in `without`."""
    context = make_context(workspace, cursors=cursors, log=Log(), report=Standing())
    given = {
        "server": "127.0.0.1",
        "port": server.port,
        "username": server.user,
        "password": server.password,
        "folder": "work",
        "use_ssl": server.certificate is not None,
        "ca_file": server.certificate and server.certificate.certificate.read_text(),
        "polling_interval": 0.1,
        "keepalive": 0.3,
        **parameters,
    }
    given = {name: value for name, value in given.items() if value is not None and name not in without}
    return Listening(listen(given, context), context, consume)


def subjects(source: Listening, count: int) -> list[str]:
    """The subjects of the next events."""
    return [source.next().data["subject"] for _ in range(count)]
