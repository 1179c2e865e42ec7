"""One connection: requests in, answers out, until one side has had enough."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress

from intellyhub_engine.serving.lean.inbox import Arrived, Inbox
from intellyhub_engine.serving.lean.wire import CONTINUE, render
from intellyhub_engine.serving.message import Request, Response
from intellyhub_engine.serving.problems import Fault, make_problem
from intellyhub_engine.serving.settings import Settings

__all__ = ["Connection"]

RECEIVE_BYTES = 65_536
LINGER_SECONDS = 1.0
LINGER_BYTES = 1 << 20


class Connection:
    """A peer's socket. `serve` runs in a thread; the server looks at `idle_since` and may call `wake`."""

    def __init__(self, sock: socket.socket, answer: Callable[[Request], Response], limits: Settings) -> None:
        self.idle_since: float | None = time.monotonic()
        """When it began to wait for a request's first byte; None while it has one in hand."""
        self.closing = False
        """Set to make the current answer the last one."""
        self.woken = False
        self._sock = sock
        self._answer = answer
        self._limits = limits
        peer = prepare(sock, limits)
        self._inbox = Inbox(peer=peer, max_header_bytes=limits.max_header_bytes, max_body_bytes=limits.max_body_bytes)

    def serve(self) -> None:
        """Answer one request after the other. Returns when the connection is over; never raises for a peer's fault."""
        try:
            while True:
                arrived = self._next()
                if arrived is None:
                    break
                response = self._answer(arrived.request)
                keep_alive = arrived.keep_alive and not self.closing
                self._send(render(response, keep_alive=keep_alive, head_only=arrived.request.method == "HEAD"))
                if not keep_alive:
                    break
            if self._inbox.refusal is not None and not self._inbox.arrived:
                self._send(render(self._inbox.refusal, keep_alive=False, head_only=False))
                self._linger()
        except OSError:
            pass  # the peer is gone; what it asked for has been done and is in the journal
        finally:
            self._sock.close()

    def wake(self) -> None:
        """Stop waiting for a next request. One that has arrived is still answered: Linux keeps what it received."""
        self.closing = self.woken = True
        with suppress(OSError):  # already over
            self._sock.shutdown(socket.SHUT_RD)

    def _next(self) -> Arrived | None:
        inbox = self._inbox
        if inbox.arrived:
            return inbox.arrived.popleft()
        if inbox.refusal is not None:
            return None
        if not inbox.in_request:
            self.idle_since = time.monotonic()
            try:
                received = self._sock.recv(RECEIVE_BYTES)
            except BlockingIOError:
                return None  # idle for too long
            if not received:
                return None
            self.idle_since = None
            inbox.feed(received)
            if inbox.arrived:
                return inbox.arrived.popleft()
        self._receive_rest()
        return inbox.arrived.popleft() if inbox.arrived else None

    def _receive_rest(self) -> None:
        """The rest of a request, within the time for its head and for its body."""
        inbox, limits = self._inbox, self._limits
        part_of_body = inbox.in_body
        deadline = time.monotonic() + (limits.body_seconds if part_of_body else limits.header_seconds)
        while inbox.refusal is None and not inbox.arrived:
            if inbox.in_body and not part_of_body:
                part_of_body, deadline = True, time.monotonic() + limits.body_seconds
            if inbox.expects_continue and inbox.in_body:
                inbox.expects_continue = False
                self._sock.sendall(CONTINUE)
            received = self._receive_before(deadline)
            if received is None:
                inbox.refusal = make_problem(Fault.TOO_SLOW, "the rest of the request is missing")
            elif received:
                inbox.feed(received)
            elif self.closing:
                inbox.refusal = make_problem(Fault.STOPPING, "send it again", retry_after_seconds=1)
            else:
                inbox.refusal = make_problem(Fault.BAD_REQUEST, "the request is not complete")
        set_timeout(self._sock, socket.SO_RCVTIMEO, limits.keep_alive_seconds)

    def _receive_before(self, deadline: float) -> bytes | None:
        """Some bytes; none at the peer's end of them; None when time is up."""
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        set_timeout(self._sock, socket.SO_RCVTIMEO, left)
        try:
            return self._sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None

    def _send(self, content: bytes) -> None:
        """Send it whole. A peer that takes nothing for `send_seconds` raises BlockingIOError, an OSError."""
        self._sock.sendall(content)

    def _linger(self) -> None:
        """Take what the peer is still sending, so that a reset does not overtake the answer (RFC 9112, section 9.6)."""
        self._sock.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + LINGER_SECONDS
        taken = 0
        while taken < LINGER_BYTES:
            received = self._receive_before(deadline)
            if not received:
                return
            taken += len(received)


def prepare(sock: socket.socket, limits: Settings) -> str:
    """Set a socket's options; give the peer's address. The kernel's timeouts cost no system call per request."""
    set_timeout(sock, socket.SO_RCVTIMEO, limits.keep_alive_seconds)
    set_timeout(sock, socket.SO_SNDTIMEO, limits.send_seconds)
    if sock.family == socket.AF_UNIX:
        return ""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return str(sock.getpeername()[0])
    except OSError:
        return ""


def set_timeout(sock: socket.socket, option: int, seconds: float) -> None:
    """A timeout that the kernel keeps: `recv` and `send` then raise BlockingIOError."""
    whole = int(seconds)
    sock.setsockopt(
        socket.SOL_SOCKET, option, struct.pack("ll", whole, max(int((seconds - whole) * 1e6), 0 if whole else 1))
    )
