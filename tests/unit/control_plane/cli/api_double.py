"""A stand-in for the REST API: answers what it is told, remembers what it was asked. The real one is asked in
tests/integration/test_up.py, with the same commands."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Asked(NamedTuple):
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    document: Any


class ApiDouble:
    """`answers[(method, path)]` is (status, document), a list of such pairs, one for each request, or a
    function of what was asked that gives one."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Any] = {}
        self.headers: dict[str, str] = {}
        self.asked: list[Asked] = []
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                content = self.rfile.read(length)
                target = urlsplit(self.path)
                asked = Asked(
                    self.command,
                    target.path,
                    parse_qs(target.query),
                    {name.lower(): value for name, value in self.headers.items()},
                    json.loads(content) if content else None,
                )
                double.asked.append(asked)
                status, document = double.next_answer(asked)
                body = (
                    document
                    if isinstance(document, bytes)
                    else b""
                    if document is None
                    else json.dumps(document).encode()
                )
                self.send_response(status)
                for name, value in double.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - named by the standard library

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def next_answer(self, asked: Asked) -> tuple[int, Any]:
        found = self.answers.get((asked.method, asked.path))
        if found is None:
            return 404, {"title": "not found", "status": 404, "detail": f"there is nothing at {asked.path}"}
        answer: tuple[int, Any] = (
            found(asked) if callable(found) else found.pop(0) if isinstance(found, list) else found
        )
        return answer

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
