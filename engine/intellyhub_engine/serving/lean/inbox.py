"""Bytes into requests: what one connection has sent so far. No sockets here.

The parser is llhttp in its strict mode, which refuses what request smuggling is made of: Content-Length beside
Transfer-Encoding, two lengths, bare line feeds, blanks before a colon, folded lines, NUL in values.
"""

from __future__ import annotations

from collections import deque

import httptools

from intellyhub_engine.serving.message import Request, Response
from intellyhub_engine.serving.problems import Fault, make_problem

__all__ = ["Arrived", "Inbox"]

MAX_HEADERS = 100
MAX_KNOWN_NAMES = 256
KNOWN_NAMES: dict[bytes, str] = {}
"""Header names as peers spell them, and as we do. Filled as they come, up to a bound."""


class Stop(Exception):
    """Ends the parsing of a request that is refused."""


class Arrived:
    """A complete request, and whether the connection may be used again."""

    __slots__ = ("keep_alive", "request")

    def __init__(self, request: Request, keep_alive: bool) -> None:
        self.request = request
        self.keep_alive = keep_alive


class Inbox:
    """Collects the requests of one connection. The `on_` methods are httptools' protocol."""

    def __init__(self, *, peer: str, max_header_bytes: int, max_body_bytes: int) -> None:
        self.arrived: deque[Arrived] = deque()
        self.refusal: Response | None = None
        """The answer to bytes that are no request, or one beyond the limits: the connection's last."""
        self.in_request = False
        """Part of a request has arrived, and it is not complete."""
        self.in_body = False
        self.expects_continue = False
        self._peer = peer
        self._max_header_bytes = max_header_bytes
        self._max_body_bytes = max_body_bytes
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[str, str] = {}
        self._names = 0
        self._head_bytes = 0
        self._fed_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._upgrade = False

    def feed(self, received: bytes) -> None:
        """Take what arrived. Look at `arrived` before `refusal`: sound requests may stand before a fault."""
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserUpgrade:
            self._refuse_lost_body()
        except httptools.HttpParserError as fault:
            self.refusal = self.refusal or self._explain(fault)
        if self.in_request and not self.in_body and self.refusal is None:
            self._fed_bytes += len(received)
            if self._fed_bytes > self._max_header_bytes:
                self.refusal = self._too_many_headers()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self.in_request = True
        self.in_body = self.expects_continue = self._upgrade = False
        self._target = b""
        self._headers = {}
        self._body = []
        self._names = self._head_bytes = self._fed_bytes = self._body_bytes = 0

    def on_url(self, part: bytes) -> None:
        """The target, or a part of it."""
        self._target += part
        self._count_head(len(part))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer: those are dropped."""
        if self.in_body:
            return
        self._names += 1
        self._count_head(len(name) + len(value) + 4)
        key = KNOWN_NAMES.get(name) or learn(name)
        text = value.decode("latin-1").strip(" \t")
        if "_" in key:
            return  # `a_b` and `a-b` are one name to a WSGI server: neither server passes the former on
        headers = self._headers
        headers[key] = f"{headers[key]},{text}" if key in headers else text

    def on_headers_complete(self) -> None:
        """The head is there: whatever the body is, is it wanted?"""
        self.in_body = True
        headers = self._headers
        if self._parser.get_http_version() not in ("1.1", "1.0"):
            self._refuse(Fault.VERSION, "speak HTTP/1.1")
        if int(headers.get("content-length", "0")) > self._max_body_bytes:
            self._refuse(Fault.TOO_LARGE, f"the body is larger than {self._max_body_bytes} bytes")
        expectation = headers.get("expect", "").lower()
        if expectation and expectation != "100-continue":
            self._refuse(Fault.EXPECTATION, "only 100-continue can be met")
        self.expects_continue = bool(expectation)
        self._upgrade = self._parser.should_upgrade()

    def on_body(self, part: bytes) -> None:
        """Some of the body, chunks already taken apart."""
        self._body.append(part)
        self._body_bytes += len(part)
        if self._body_bytes > self._max_body_bytes:
            self._refuse(Fault.TOO_LARGE, f"the body is larger than {self._max_body_bytes} bytes")

    def on_message_complete(self) -> None:
        """All of it is there."""
        self.in_request = self.in_body = False
        parser = self._parser
        parts = self._body
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        request = Request(
            parser.get_method().decode("ascii"), make_target(self._target), self._headers, body, self._peer
        )
        self.arrived.append(Arrived(request, parser.should_keep_alive() and not self._upgrade))

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._max_header_bytes or self._names > MAX_HEADERS:
            self.refusal = self._too_many_headers()
            raise Stop

    def _too_many_headers(self) -> Response:
        return make_problem(
            Fault.HEADERS_TOO_LARGE, f"at most {MAX_HEADERS} headers, {self._max_header_bytes} bytes with the target"
        )

    def _refuse(self, fault: Fault, detail: str) -> None:
        self.refusal = make_problem(fault, detail)
        raise Stop

    def _refuse_lost_body(self) -> None:
        """An offer of another protocol is ignored, except that llhttp takes what follows the head for that protocol."""
        headers = self._headers
        if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
            self.arrived.pop()
            self.refusal = make_problem(Fault.BAD_REQUEST, "Upgrade with a body is not supported")

    def _explain(self, fault: Exception) -> Response:
        if isinstance(fault, httptools.HttpParserCallbackError):  # a fault of ours: Stop has set the refusal before
            raise fault
        return make_problem(Fault.BAD_REQUEST, f"this is not HTTP: {fault}")


def learn(name: bytes) -> str:
    """Our spelling of a header's name."""
    known = name.decode("latin-1").lower()
    if len(KNOWN_NAMES) < MAX_KNOWN_NAMES:
        KNOWN_NAMES[name] = known
    return known


def make_target(target: bytes) -> str:
    """Path and query, also of a request that names the whole URL (RFC 9112, section 3.2.2)."""
    text = target.decode("latin-1")
    if text.startswith("/") or text == "*":
        return text
    _, slashes, rest = text.partition("://")
    if not slashes:
        return text
    return "/" + rest.partition("/")[2]
