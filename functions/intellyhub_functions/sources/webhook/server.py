"""The HTTP side of the webhook source."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import SplitResult, urlsplit

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import Reply, SourceContext
from intellyhub_functions.sources.webhook.checks import Network, is_allowed_address, is_authentic
from intellyhub_functions.sources.webhook.requests import make_event, read_body

__all__ = ["Rules", "make_server"]

LENGTH = re.compile(r"[0-9]{1,12}")
IDLE_SECONDS = 30.0
"""How long a caller may take for the next piece of its request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """Which requests are accepted."""

    path: str
    methods: frozenset[str]
    networks: tuple[Network, ...]
    secret: str | None
    max_body_bytes: int

    def __repr__(self) -> str:
        return f"Rules({', '.join(sorted(self.methods))} {self.path})"


class Refused(Exception):
    """The request is not accepted, and why."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


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
                reply = answer(accept(self, rules, context))
            except Refused as refusal:
                self.close_connection = True  # its body may not have been read
                reply = Reply(status=refusal.status, body={"error": str(refusal)})
            self.reply(reply)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request  # noqa: N815 - http.server's names

        def reply(self, reply: Reply) -> None:
            body = {"status": "success"} if reply.body is None and reply.status == 200 else reply.body
            packed = json.dumps(body, default=text_of).encode()
            self.send_response(reply.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(packed)))
            if reply.status in (429, 503):
                self.send_header("retry-after", "1")
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


def accept(handler: BaseHTTPRequestHandler, rules: Rules, context: SourceContext) -> Event:
    """The event of a request; raises Refused. Cheap checks come first, the body is read after them."""
    headers = {name.lower(): value for name, value in handler.headers.items()}
    address, parts = handler.client_address[0], split_target(handler.path)
    if not is_allowed_address(address, rules.networks):
        raise Refused(403, "this address may not call")
    if parts.path.rstrip("/") != rules.path.rstrip("/"):
        raise Refused(404, "nothing is here")
    if handler.command not in rules.methods:
        raise Refused(405, f"{handler.command} is not accepted here")
    lengths = handler.headers.get_all("content-length", ["0"])
    if "transfer-encoding" in headers or not all(map(LENGTH.fullmatch, lengths)):
        raise Refused(411, "the request must say its length")
    if len(lengths) > 1:  # whoever stands in front of us may have read another one
        raise Refused(400, "the request says its length more than once")
    length = lengths[0]
    if int(length) > rules.max_body_bytes:
        raise Refused(413, f"the request is larger than {rules.max_body_bytes} bytes")
    body = handler.rfile.read(int(length))
    if len(body) < int(length):
        raise Refused(400, "the request is not complete")
    if rules.secret is not None and not is_authentic(headers, body, rules.secret):
        raise Refused(401, "the secret or the signature is missing or wrong")
    try:
        content = read_body(body, headers.get("content-type", ""))
    except (ValueError, RecursionError) as fault:
        raise Refused(400, f"the body is not what its content type says: {fault}") from fault
    return make_event(handler.command, parts.path, parts.query, headers, content, address, context)
