"""A small HTTP server on loopback, in a thread, for the doubles of this package."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["Answer", "Call", "LocalServer"]

LOOK_SECONDS = 0.005
"""How long the end of a test waits for the server's, at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request as it arrived; header names are lower-case."""

    method: str
    path: str
    """With its query."""
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the double answers."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: Iterable[bytes] | None = None
    """Instead of a body: sent one by one as they come; an error among them breaks the connection off."""

    @classmethod
    def of_json(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """An answer that carries a JSON value."""
        kind = {"content-type": "application/json"}
        return cls(status=status, headers=kind | dict(headers or {}), body=json.dumps(value).encode())


class LocalServer:
    """Serves while its context lasts. `calls` holds every request; `answer` says what comes back."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.calls: list[Call] = []
        self._server = ThreadingHTTPServer((host, port), make_handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(LOOK_SECONDS,), daemon=True)

    @property
    def url(self) -> str:
        """`http://host:port`."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def answer(self, call: Call) -> Answer:
        """What this request is answered; subclasses decide."""
        return Answer(status=404)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def make_handler(server: LocalServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 5.0

        def serve(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            call = Call(method=self.command, path=self.path, headers=headers, body=body)
            server.calls.append(call)
            answer = server.answer(call)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.pieces is not None:
                self.send_header("connection", "close")
                self.send_pieces(answer.pieces)
                return
            if answer.status != 304:
                self.send_header("content-length", str(len(answer.body)))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the caller did not wait
                self.end_headers()
                self.wfile.write(answer.body if self.command != "HEAD" else b"")

        def send_pieces(self, pieces: Iterable[bytes]) -> None:
            self.close_connection = True
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the caller did not wait
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve  # noqa: N815

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's name
            """Keep quiet."""

    return Handler
