"""A request to a flow: one HTTP/1.1 exchange on a unix socket of its own, as cheap as it can be.

One connection per request, so that what waits for a flow stands in its socket's queue, where the activator sees it and
any worker can take it; connecting to a unix socket takes microseconds.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import NamedTuple

import httptools

__all__ = ["Answer", "NoAnswer", "ask", "make_request"]

CHUNK = 1 << 16
MAX_ANSWER_BYTES = 64 << 20


class Answer(NamedTuple):
    """What a worker said."""

    status: int
    headers: dict[str, str]
    """Lower-case names."""
    body: bytes


class NoAnswer(Exception):
    """Nobody answered: no socket, no worker, a full queue, or a worker that died. Asking again is safe for events,
    whose id tells the worker that it is the same one."""


def make_request(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {target} HTTP/1.1", "Host: flow", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def ask(path: Path | str, request: bytes) -> Answer:
    """Send a request, wait for its answer as long as it takes. Raises `NoAnswer`."""
    loop = asyncio.get_running_loop()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        connection.connect(str(path))  # a unix socket takes a connection at once, or says at once why not
        await loop.sock_sendall(connection, request)
        reading = Reading()
        parser = httptools.HttpResponseParser(reading)
        while not reading.complete:
            received = await loop.sock_recv(connection, CHUNK)
            if not received:
                raise NoAnswer("the worker closed the connection before its answer was complete")
            parser.feed_data(received)
            if reading.size > MAX_ANSWER_BYTES:
                raise NoAnswer("the worker's answer is too large")
        return Answer(parser.get_status_code(), reading.headers, b"".join(reading.parts))
    except (OSError, httptools.HttpParserError) as fault:
        raise NoAnswer(f"no answer from the flow: {fault}") from fault
    finally:
        connection.close()


class Reading:
    """An answer as it comes in; httptools calls it."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self.size = 0
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)
        self.size += len(part)

    def on_message_complete(self) -> None:
        self.complete = True
