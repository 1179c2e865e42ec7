"""Serves a socket that several workers share and somebody else holds: a connection for each free place.

What is not accepted waits in the socket, where another worker can take it and whoever holds the socket can see it. So a
connection carries one request, and no idle one keeps a place from those who wait.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from collections.abc import Callable

from intellyhub_engine.serving.lean.bell import Bell
from intellyhub_engine.serving.lean.connection import Connection
from intellyhub_engine.serving.lean.crew import Crew
from intellyhub_engine.serving.lean.server import Ended
from intellyhub_engine.serving.message import Request, Response
from intellyhub_engine.serving.settings import Settings

__all__ = ["SharedServer"]

LOG = logging.getLogger(__name__)
REFUSED_SECONDS = 0.05
"""After the system refused a connection (no descriptors, no threads): look again then."""


class SharedServer:
    """Serves with `places` requests at a time; with one, in the thread that calls `serve`."""

    def __init__(
        self,
        listener: socket.socket,
        answer: Callable[[Request], Response],
        limits: Settings,
        *,
        places: int,
        leash: socket.socket,
        running: Callable[[], int],
        taken: Callable[[int], None],
    ) -> None:
        """`leash`: when its other end is gone, the server stops as if it were told. `running`: runs that execute now,
        also those that no connection waits for; call `refresh` when one ends. `taken`: told how many places are, by one
        thread at a time."""
        self._listener = listener
        self._answer = answer
        self._limits = limits
        self._places = places
        self._leash = leash
        self._running = running
        self._taken = taken
        self._crew = Crew()
        self._connections: set[Connection] = set()
        self._answering = 0
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._thread = threading.get_ident()
        self._told_at: float | None = None
        self._awake = time.monotonic()
        self._pause = 0.0
        self._bell = Bell()

    @property
    def bell(self) -> int:
        """A descriptor that interrupts `serve` when a byte is written to it: for `signal.set_wakeup_fd`."""
        return self._bell.rope

    def refresh(self) -> None:
        """Tell how many places are taken now. To be called when a run ends for which no connection waited."""
        self._awake = time.monotonic()
        with self._telling:  # what was counted last is told last
            self._taken(self._count_taken())
        if threading.get_ident() != self._thread:
            self._bell.ring()

    def stop(self) -> None:
        """Accept nothing more; `serve` returns when all is answered. From a signal handler and from any thread."""
        if self._told_at is None:
            self._told_at = time.monotonic()
        self._bell.ring()

    def serve(self) -> Ended:
        """Accept and answer until there is a reason to end. The listening socket is closed then, or before."""
        self._listener.setblocking(False)
        poller = select.poll()
        poller.register(self._bell, select.POLLIN)
        poller.register(self._leash, 0)  # the end of the other side is always reported
        listening = False
        while True:
            if self._told_at is not None and self._listener.fileno() >= 0:
                if listening:
                    poller.unregister(self._listener)
                    listening = False
                self._listener.close()  # a copy: who waits in the socket is not cut off, and not kept waiting by it
            wanted = self._told_at is None and not self._pause and self._count_taken() < self._places
            if wanted != listening:
                poller.register(self._listener, select.POLLIN) if wanted else poller.unregister(self._listener)
                listening = wanted
            ready = {descriptor for descriptor, _ in poller.poll(self._patience_milliseconds())}
            self._pause = 0.0
            if self._bell.fileno() in ready:
                self._bell.hush()
            if self._leash.fileno() in ready:
                self.stop()
                poller.unregister(self._leash)
            if listening and self._listener.fileno() in ready:
                self._accept()
            ended = self._reason_to_end(time.monotonic())
            if ended is not None:
                self._crew.dismiss()
                self._listener.close()
                return ended

    def close(self) -> None:
        """Release what `serve` needed."""
        self._bell.close()

    def _patience_milliseconds(self) -> float | None:
        now = time.monotonic()
        if self._pause:
            return self._pause * 1000
        if self._told_at is not None:
            return max(self._told_at + self._limits.drain_seconds - now, 0.0) * 1000 + 1
        if self._limits.idle_seconds and not self._count_taken():
            return max(self._awake + self._limits.idle_seconds - now, 0.0) * 1000 + 1
        return None

    def _reason_to_end(self, now: float) -> Ended | None:
        if self._told_at is not None:
            if not self._count_taken():
                return Ended.DRAINED
            return Ended.OVERDUE if now - self._told_at >= self._limits.drain_seconds else None
        if self._limits.idle_seconds and not self._count_taken() and now - self._awake >= self._limits.idle_seconds:
            return Ended.IDLE
        return None

    def _accept(self) -> None:
        while self._told_at is None and self._count_taken() < self._places:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:  # another worker was faster
                return
            except OSError as fault:  # out of descriptors, or the peer has gone already
                LOG.warning("a connection cannot be accepted: %s", fault)
                self._pause = REFUSED_SECONDS
                return
            self._take(sock)

    def _take(self, sock: socket.socket) -> None:
        try:
            connection = Connection(sock, self._answer_counted, self._limits)
        except OSError as fault:  # reset meanwhile
            LOG.info("a connection was gone at once: %s", fault)
            sock.close()
            return
        connection.closing = True  # its first request is its last
        self._connections.add(connection)
        self.refresh()
        if self._places == 1:
            self._serve(connection)
            return
        try:
            self._crew.take(lambda: self._serve(connection))
        except RuntimeError as fault:  # no more threads
            LOG.warning("a connection cannot be served: %s", fault)
            sock.close()
            self._forget(connection)
            self._pause = REFUSED_SECONDS

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        except Exception:
            LOG.exception("a connection broke off")
        finally:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self.refresh()

    def _answer_counted(self, request: Request) -> Response:
        with self._lock:
            self._answering += 1
        try:
            return self._answer(request)
        finally:
            with self._lock:
                self._answering -= 1

    def _count_taken(self) -> int:
        """Connections that read or send, and runs: those that a connection waits for, and those that none does."""
        with self._lock:
            answering = self._answering
            return max(len(self._connections) - answering, 0) + max(answering, self._running())
