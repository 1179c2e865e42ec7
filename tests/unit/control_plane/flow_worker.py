"""A process behind a unix socket that answers what a test wants, and keeps what it was asked."""

from __future__ import annotations

import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from intellyhub_knative.platform.keys import Purpose
from tests.unit.control_plane.house import House, Person


class Got(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    document: Any


class FlowWorker:
    """Gives `answers` in order, each a status and a document."""

    def __init__(
        self,
        house: House,
        person: Person | None,
        flow: dict[str, Any] | None,
        *,
        version: int = 1,
        path: Path | None = None,
    ) -> None:
        self.path = path or house.layout.flow_socket((flow or {})["id"], version)
        name = f"{person.tenant_id}/{flow['id']}" if person and flow else ""
        self.token = house.platform.keys.token(Purpose.CALLER, name)
        self.answers: list[tuple[int, Any]] = []
        self.got: list[Got] = []

    @classmethod
    def activator(cls, house: House) -> FlowWorker:
        """The activator's own socket."""
        return cls(house, None, None, path=house.layout.socket("activator"))

    def __enter__(self) -> Self:
        worker = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                self.client_address = ("unix", 0)
                super().handle_one_request()

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                worker.got.append(
                    Got(self.command, self.path, dict(self.headers.items()), orjson.loads(body) if body else None)
                )
                status, document = worker.answers.pop(0)
                content = b"" if document is None else orjson.dumps(document)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - named by http.server

            def log_message(self, *_: Any) -> None:
                """Nothing is written."""

        self.server = socketserver.ThreadingUnixStreamServer(str(self.path), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.path.unlink()
