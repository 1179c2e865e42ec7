"""A hook on a port of one's own, as `run --listen` has it where there is no platform."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.parse import SplitResult, urlsplit

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.hook import (
    Accept,
    Direct,
    Direction,
    Find,
    Hook,
    HookAnswer,
    Ran,
    Received,
    Refused,
    Seen,
    read_ran,
)
from intellyhub_engine.machine.source import Reply, SourceContext

__all__ = ["AsRan", "as_outcome", "make_server"]

LENGTH = re.compile(r"[0-9]{1,12}")
IDLE_SECONDS = 30.0
"""How long a caller may take for the next piece of its request."""
MAX_REMEMBERED = 1000

AsRan = Callable[[Reply], Ran]
"""How the reply to an event looks to the hook."""


def as_outcome(reply: Reply) -> Ran:
    """As a worker would answer: what the flow said is its `output`."""
    if reply.status >= 400:
        said = reply.body if isinstance(reply.body, dict) else {}
        return Ran(reply.status, {}, pack({"detail": said.get("message") or said.get("error") or said.get("status")}))
    if reply.status != 200:
        return Ran(reply.status, {}, pack(reply.body))
    output = None if reply.body == {"status": "success"} else reply.body
    return Ran(200, {}, pack({"status": "succeeded", "output": output}))


class Remembered:
    """What came of the last events, for those who ask later."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._lock = Lock()

    def put(self, event: Event, seen: Seen) -> None:
        with self._lock:
            self._seen[event.id] = seen._replace(event=event)
            while len(self._seen) > MAX_REMEMBERED:
                self._seen.popitem(last=False)

    def get(self, event_id: str) -> Seen | None:
        with self._lock:
            return self._seen.get(event_id)


def make_server(
    host: str,
    port: int,
    hook: Hook,
    answer: Callable[[Event, float], Reply],
    context: SourceContext,
    *,
    as_ran: AsRan = as_outcome,
) -> ThreadingHTTPServer:
    """A server that is bound and serves when told; raises OSError where it cannot listen. `answer(event, seconds)`
    gives an event out and waits for its reply."""
    remembered = Remembered()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_SECONDS
        disable_nagle_algorithm = True
        wbufsize = 65536

        def handle_request(self) -> None:
            try:
                said = self.carry_out(direct(self, hook, context))
            except Refused as refusal:
                self.close_connection = True  # its body may not have been read
                said = HookAnswer(refusal.status, pack({"error": str(refusal)}), headers=refusal.headers)
            if said is not None:
                self.send(said)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_request  # noqa: N815

        def carry_out(self, direction: Direction) -> HookAnswer | None:
            """What the hook says in the end; None where it has been sent piece by piece."""
            if isinstance(direction, Direct):
                return direction.answer
            if isinstance(direction, Find):
                return direction.reply(remembered.get(direction.event_id))
            begun = direction.stream.begin(direction.event) if direction.stream is not None else b""
            if begun:
                self.send_head(200, {"content-type": "text/event-stream", "cache-control": "no-store"})
                self.wfile.write(begun)
                self.wfile.flush()
            ran = self.run(direction)
            if not begun or direction.stream is None:
                return direction.reply(ran)
            self.wfile.write(direction.stream.end(read_ran(ran)))
            return None

        def run(self, accept: Accept) -> Ran:
            remembered.put(accept.event, Seen("running"))
            ran = as_ran(answer(accept.event, 0.0 if accept.begun else accept.wait_seconds))
            remembered.put(accept.event, read_ran(ran))
            return ran

        def send(self, said: HookAnswer) -> None:
            headers = {"content-type": said.content_type, "content-length": str(len(said.body)), **said.headers}
            if said.status in (429, 503):
                headers["retry-after"] = "1"
            if self.close_connection:
                headers["connection"] = "close"
            self.send_head(said.status, headers)
            self.wfile.write(said.body if self.command != "HEAD" else b"")

        def send_head(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            if "content-length" not in headers:
                self.close_connection = True
                headers["connection"] = "close"
            for name, value in {**headers, "x-content-type-options": "nosniff"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's name
            context.log("debug", format % arguments)

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    return server


def direct(handler: BaseHTTPRequestHandler, hook: Hook, context: SourceContext) -> Direction:
    """What the hook makes of a request; raises Refused. Cheap checks come first, the body is read after them."""
    parts = split_target(handler.path)
    headers = {name.lower(): value for name, value in handler.headers.items()}
    base = f"http://{headers.get('host', 'localhost')}"
    head = Received(handler.command, parts.path, parts.query, headers, b"", handler.client_address[0], base)
    admitted = hook.admit(head)
    if admitted is not None:
        return admitted
    return hook.answer(head._replace(body=read_whole(handler, hook.max_body_bytes)), context.now_ns())


def split_target(target: str) -> SplitResult:
    """Path and query; raises Refused."""
    try:
        return urlsplit(target)
    except ValueError as fault:
        raise Refused(400, "the request names no address") from fault


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


def pack(document: object) -> bytes:
    """JSON."""
    return json.dumps(document, default=text_of).encode()
