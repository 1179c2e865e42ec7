"""A request to a flow: one HTTP/1.1 exchange on a unix socket of its own, as cheap as it can be.

One connection per request, so that what waits for a flow stands in its socket's queue, where the activator sees it and
any worker can take it; connecting to a unix socket takes microseconds. A worker's answer is read within bounds: what
runs behind a flow's socket is its author's.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import socket
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import httptools

from intellyhub_knative.platform.flow_answer import Answer
from intellyhub_knative.platform.layout import Layout

__all__ = [
    "MAX_ANSWER_BYTES",
    "NoAnswer",
    "NobodyThere",
    "TooLate",
    "ask",
    "check_headers",
    "fits_a_header",
    "make_request",
    "open_flow_socket",
]

LOG = logging.getLogger(__name__)
CHUNK = 1 << 16
MAX_ANSWER_BYTES = 64 << 20
ACTIVATOR_SECONDS = 5.0
NOT_IN_A_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""RFC 9110, section 5.5: a line feed in a value would begin a header of its author's choice."""
CLOSED = frozenset((errno.ENOENT, errno.ECONNREFUSED, errno.EAGAIN))
"""No socket, nobody holds it, or its queue is full (unix(7))."""


class NoAnswer(Exception):
    """No complete answer: no worker, a worker that died, one that says too much or too late. Asking again is safe for
    events, whose id tells the worker that it is the same one."""


class TooLate(NoAnswer):
    """No answer in the time that was given."""


class NobodyThere(NoAnswer):
    """Nobody can be reached at the socket at the moment; nothing was sent."""


def make_request(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """The bytes of a request. Raises `ValueError` for what no header can carry."""
    lines = [f"{method} {target} HTTP/1.1", "Host: flow", "Connection: close", f"Content-Length: {len(body)}"]
    headers = tuple(headers)
    check_headers(headers)
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def check_headers(headers: Iterable[tuple[str, str]]) -> None:
    """Raise `ValueError` for a value that no header can carry."""
    for name, value in headers:
        if not fits_a_header(value):
            raise ValueError(f"the header {name} holds a control character")


def fits_a_header(value: str) -> bool:
    """Whether a header can carry the value."""
    return NOT_IN_A_HEADER.search(value) is None


async def ask(
    path: Path | str, request: bytes, *, timeout_seconds: float | None = None, max_bytes: int = MAX_ANSWER_BYTES
) -> Answer:
    """Send a request and wait for its answer, for ever where no time is given. Raises `NobodyThere` or `NoAnswer`."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    with connection:
        try:
            connection.connect(str(path))  # a unix socket takes a connection at once, or says at once why not
        except OSError as fault:
            kind = NobodyThere if fault.errno in CLOSED else NoAnswer
            raise kind(f"no connection: {fault.strerror or fault} ({Path(path).name})") from fault
        try:
            async with asyncio.timeout(timeout_seconds):
                return await exchange(connection, request, max_bytes)
        except TimeoutError as fault:
            raise TooLate(f"no answer within {timeout_seconds:g} s") from fault
        except (OSError, httptools.HttpParserError) as fault:
            raise NoAnswer(f"the connection broke: {fault}") from fault


async def exchange(connection: socket.socket, request: bytes, max_bytes: int) -> Answer:
    """The answer on an open connection; `max_bytes` are for all of it, its head too."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, request)
    reading, size = Reading(), 0
    parser = httptools.HttpResponseParser(reading)
    while not reading.complete:
        received = await loop.sock_recv(connection, CHUNK)
        if not received:
            raise NoAnswer("the worker closed the connection before its answer was complete")
        size += len(received)
        if size > max_bytes:
            raise NoAnswer(f"the answer is larger than {max_bytes} bytes")
        parser.feed_data(received)
    return Answer(parser.get_status_code(), reading.headers, b"".join(reading.parts))


async def open_flow_socket(layout: Layout, flow_id: str, number: int) -> None:
    """Have the activator open the socket of an older version; whether it did is seen at the next attempt."""
    request = make_request("PUT", f"/sockets/{quote(flow_id, safe='')}/{number}", (), b"")
    try:
        await ask(layout.socket("activator"), request, timeout_seconds=ACTIVATOR_SECONDS)
    except NoAnswer as fault:
        LOG.warning("the activator did not open the socket of an older version: %s", fault)


class Reading:
    """An answer as it comes in; httptools calls it."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_message_complete(self) -> None:
        self.complete = True
