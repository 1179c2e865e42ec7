"""The HTTP side of the webhook source."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import SplitResult, urlsplit

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import Reply, SourceContext
from intellyhub_functions.sources.webhook.requests import Received
from intellyhub_functions.sources.webhook.rules import Challenge, Refused, Rules

__all__ = ["make_server"]

LENGTH = re.compile(r"[0-9]{1,12}")
IDLE_SECONDS = 30.0
"""How long a caller may take for the next piece of its request."""


def make_server(
    host: str, port: int, rules: Rules, answer: Callable[[Event], Reply], context: SourceContext
) -> ThreadingHTTPServer:
    """A server that is bound and serves when told; raises OSError where it cannot listen."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_SECONDS
        disable_nagle_algorithm = True
        wbufsize = 65536

        def handle_request(self) -> None:
            try:
                accepted = accept(self, rules, context)
                if isinstance(accepted, Challenge):
                    self.send(200, "text/plain; charset=utf-8", accepted.text.encode())
                    return
                reply = answer(accepted)
            except Refused as refusal:
                self.close_connection = True  # its body may not have been read
                reply = Reply(status=refusal.status, body={"error": str(refusal)})
            body = {"status": "success"} if reply.body is None and reply.status == 200 else reply.body
            self.send(reply.status, "application/json", json.dumps(body, default=text_of).encode())

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request  # noqa: N815 - http.server's names

        def send(self, status: int, content_type: str, packed: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("x-content-type-options", "nosniff")
            self.send_header("content-length", str(len(packed)))
            if status in (429, 503):
                self.send_header("retry-after", "1")
            if status == 405:
                self.send_header("allow", ", ".join(sorted(rules.methods)))
            if self.close_connection:
                self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(packed)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's name
            context.log("debug", format % arguments)

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    return server


def split_target(target: str) -> SplitResult:
    """Path and query; raises Refused."""
    try:
        return urlsplit(target)
    except ValueError as fault:
        raise Refused(400, "the request names no address") from fault


def accept(handler: BaseHTTPRequestHandler, rules: Rules, context: SourceContext) -> Event | Challenge:
    """The event of a request; raises Refused. Cheap checks come first, the body is read after them."""
    address, parts = handler.client_address[0], split_target(handler.path)
    if parts.path.rstrip("/") != rules.path.rstrip("/"):
        raise Refused(404, "nothing is here")
    challenge = rules.admit(handler.command, address, parts.query)
    if challenge is not None:
        return challenge
    body = read_whole(handler, rules.max_body_bytes)
    headers = {name.lower(): value for name, value in handler.headers.items()}
    received = Received(handler.command, parts.path, parts.query, headers, body, address)
    return rules.accept(received, source=context.address, now_ns=context.now_ns())


def read_whole(handler: BaseHTTPRequestHandler, max_body_bytes: int) -> bytes:
    """The body; raises Refused where its length is in doubt or too large."""
    lengths = handler.headers.get_all("content-length", ["0"])
    if "transfer-encoding" in handler.headers or not all(map(LENGTH.fullmatch, lengths)):
        raise Refused(411, "the request must say its length")
    if len(lengths) > 1:  # whoever stands in front of us may have read another one
        raise Refused(400, "the request says its length more than once")
    length = int(lengths[0])
    if length > max_body_bytes:
        raise Refused(413, f"the request is larger than {max_body_bytes} bytes")
    body = handler.rfile.read(length)
    if len(body) < length:
        raise Refused(400, "the request is not complete")
    return body
