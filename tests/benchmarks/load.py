"""Asks an HTTP server over loopback connections that are kept alive, a bounded number of times, and counts.

    python load.py PORT CLIENTS REQUESTS REQUEST_FILE    prints {"seconds": …, "p50_ms": …, "failed": …, …}

Where the request holds `@@@@@@@@` each one sent has its own number of eight digits there.
Its own process and the standard library only: it must neither slow down nor warm up what it measures.
"""

from __future__ import annotations

import itertools
import json
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["NUMBER", "Response", "exchange", "make_request", "run_load"]

TIMEOUT_SECONDS = 30.0
NUMBER = b"@@@@@@@@"


class Response(NamedTuple):
    """A status, and a body delimited by Content-Length."""

    status: int
    body: bytes


class Connection:
    """One connection, opened when needed and kept alive as long as the server lets it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket: socket.socket | None = None

    def ask(self, request: bytes) -> Response:
        """Send one request and read its response."""
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), TIMEOUT_SECONDS)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(request)
        head, body = self.read_head(self.socket)
        status, length, keeps = parse_head(head)
        while len(body) < length:
            body += self.read_some(self.socket)
        if not keeps:
            self.close()
        return Response(status, body)

    def read_head(self, server: socket.socket) -> tuple[bytes, bytes]:
        """Everything up to the empty line, and what came after it."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.read_some(server)
        head, _, rest = received.partition(b"\r\n\r\n")
        return head, rest

    def read_some(self, server: socket.socket) -> bytes:
        """The next bytes; raises ConnectionError when there are no more."""
        received = server.recv(65536)
        if not received:
            self.close()
            raise ConnectionResetError("the server closed the connection")
        return received

    def close(self) -> None:
        """End the connection; the next request opens another."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def parse_head(head: bytes) -> tuple[int, int, bool]:
    """Status, length of the body, and whether the connection stays open."""
    lines = head.lower().split(b"\r\n")
    fields = dict(line.split(b":", 1) for line in lines[1:])
    length = int(fields.get(b"content-length", b"0"))
    return int(lines[0].split()[1]), length, fields.get(b"connection", b"").strip() != b"close"


def exchange(port: int, request: bytes) -> Response:
    """One request on a connection of its own."""
    connection = Connection(port)
    try:
        return connection.ask(request)
    finally:
        connection.close()


def make_request(body: bytes, *, content_type: str = "application/json", path: str = "/", **more: str) -> bytes:
    """A POST as plain callers send it; `more` are headers, with `_` for their hyphens."""
    fields = f"Host: 127.0.0.1\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    fields += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in more.items())
    return f"POST {path} HTTP/1.1\r\n{fields}\r\n".encode() + body


def run_load(port: int, clients: int, requests: int, request: bytes) -> dict[str, object]:
    """Ask `requests` times in all, spread over `clients` connections at once."""
    numbers: Iterator[int] = itertools.count()
    failures: list[str] = []
    taken: list[float] = []
    is_numbered = NUMBER in request

    def ask_until_done() -> None:
        connection = Connection(port)
        while (number := next(numbers)) < requests:
            sent = request.replace(NUMBER, b"%08d" % number) if is_numbered else request
            began = time.perf_counter()
            try:
                response = connection.ask(sent)
            except OSError as fault:
                failures.append(str(fault))
                connection.close()
                continue
            taken.append(time.perf_counter() - began)
            if not 200 <= response.status < 300:
                failures.append(f"{response.status} {response.body[:200].decode(errors='replace')}")
        connection.close()

    threads = [threading.Thread(target=ask_until_done) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    first = failures[0] if failures else None
    p50_ms = statistics.median(taken) * 1e3 if taken else 0.0
    return {"seconds": seconds, "p50_ms": p50_ms, "failed": len(failures), "first_failure": first}


if __name__ == "__main__":
    port, clients, requests = (int(argument) for argument in sys.argv[1:4])
    print(json.dumps(run_load(port, clients, requests, Path(sys.argv[4]).read_bytes())))
