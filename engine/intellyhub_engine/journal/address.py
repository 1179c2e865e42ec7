"""Where a journal service is, and how one comes in over HTTP: one request, one answer, then the journal's own frames.

    GET /journal HTTP/1.1                         HTTP/1.1 101 Switching Protocols
    Upgrade: intellyhub-journal/1          ->     Upgrade: intellyhub-journal/1
    Authorization: Bearer ...

That takes the place of the greeting on a unix socket (https://www.rfc-editor.org/rfc/rfc9110#name-upgrade). A 401 or
403 is final; whatever else is not 101 counts as a service that is away, and is asked again.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from intellyhub_engine.errors import InputInvalid, JournalUnwritable
from intellyhub_engine.journal.wire import VERSION, make_frame

__all__ = [
    "HEAD_END",
    "MAX_HEAD_BYTES",
    "PATH",
    "PING",
    "PING_SECONDS",
    "PROTOCOL",
    "SEND_SECONDS",
    "SILENT_SECONDS",
    "Address",
    "is_remote",
    "make_upgrade",
    "parse_address",
    "read_upgrade",
]

PROTOCOL = f"intellyhub-journal/{VERSION}"
PATH = "/journal"
HEAD_END = b"\r\n\r\n"
MAX_HEAD_BYTES = 16 * 1024
"""Of a request's or an answer's head."""
PING = make_frame([-1, "ping", [], False])
"""Asked of a service that says nothing for a while; a living one answers at once, whatever else it is working on."""
PING_SECONDS = 5.0
"""Silence of a service that owes an answer, before it is pinged."""
SILENT_SECONDS = 10.0
"""Silence after a ping, before the connection counts as lost: something between keeps it open and forwards nothing."""
SEND_SECONDS = 15.0
"""For the other side to take what is sent."""
_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """A journal service's place in a network."""

    scheme: str
    """`http` or `https`."""
    host: str
    port: int


def is_remote(address: str | Path) -> bool:
    """Whether it is an address in a network; else it is a path."""
    return isinstance(address, str) and address.startswith(("http://", "https://"))


def parse_address(address: str) -> Address:
    """Take it apart. Raises `InputInvalid`."""
    from urllib.parse import urlsplit  # a worker on one machine has no such address

    try:
        parts = urlsplit(address)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError as fault:
        raise InputInvalid(f"{address!r} is not the address of a journal: {fault}") from fault
    rest = parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password
    if scheme not in _PORTS or not host or rest:
        raise InputInvalid(f"{address!r} is not the address of a journal: write http://host:port or https://host:port")
    return Address(scheme, host, port or _PORTS[scheme])


def make_upgrade(address: Address, token: str) -> bytes:
    """The request that opens a connection. Raises `JournalUnwritable` for a token that fits no header."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise JournalUnwritable("the token for the journal holds characters that no token has")
    host = f"[{address.host}]" if ":" in address.host else address.host
    return (
        f"GET {PATH} HTTP/1.1\r\nHost: {host}:{address.port}\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL}\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()


def read_upgrade(head: bytes) -> None:
    """Look at the head of the answer. Raises `JournalUnwritable` for a refusal, `ConnectionError` for a service that
    cannot serve now, or something else that answers in its place."""
    first, *lines = head.split(b"\r\n")
    version, _, rest = first.partition(b" ")
    code = rest[:3]
    if not version.startswith(b"HTTP/1.") or not code.isdigit():
        raise ConnectionAbortedError("what answers there does not speak HTTP")
    fields = dict(split_field(line) for line in lines if line)
    if code == b"101":
        if fields.get("upgrade") != PROTOCOL:
            raise JournalUnwritable(f"the journal there does not speak {PROTOCOL}")
        return
    reason = fields.get("x-reason") or rest.decode("latin-1")
    if code in {b"401", b"403", b"426"}:
        raise JournalUnwritable(reason[:500])
    raise ConnectionRefusedError(f"it answers {reason[:500]}")


def split_field(line: bytes) -> tuple[str, str]:
    """A header's name, in small letters, and its value."""
    name, _, value = line.decode("latin-1").partition(":")
    return name.strip().lower(), value.strip()
