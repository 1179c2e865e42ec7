"""Accepts connections, and knows when to stop."""

from __future__ import annotations

import logging
import select
import socket
import time
from collections.abc import Callable
from enum import Enum

from intellyhub_engine.serving.lean.bell import Bell
from intellyhub_engine.serving.lean.connection import Connection
from intellyhub_engine.serving.lean.crew import Crew
from intellyhub_engine.serving.message import Request, Response
from intellyhub_engine.serving.settings import Settings

__all__ = ["Ended", "Server"]

LOG = logging.getLogger(__name__)
ACCEPTS_AT_A_TIME = 64
DRAIN_TICK_SECONDS = 0.02
FULL_TICK_SECONDS = 0.01
POLITE_SECONDS = 0.02
"""How long a connection must have been idle to be closed by us: a request may be on its way to a new one."""


class Ended(Enum):
    """Why `serve` came back."""

    IDLE = "idle"  # nobody asked for idle_seconds
    DRAINED = "drained"  # told to stop, and everything is answered
    OVERDUE = "overdue"  # told to stop, and drain_seconds are over
    HURRIED = "hurried"  # told twice


class Server:
    """Serves one listening socket with one function.

    The socket stays the caller's, and is left open where `shared`: then others accept from it too, and this server
    stops accepting as soon as it is told to stop.
    """

    def __init__(
        self,
        listener: socket.socket,
        answer: Callable[[Request], Response],
        limits: Settings,
        *,
        busy: Callable[[], bool] = lambda: False,
        shared: bool = False,
    ) -> None:
        self._listener = listener
        self._answer = answer
        self._limits = limits
        self._busy = busy
        self._shared = shared
        self._crew = Crew()
        self._connections: set[Connection] = set()
        self._told = 0
        self._told_at = 0.0
        self._awake = time.monotonic()
        """When something last arrived or was under way."""
        self._full = False
        """Somebody waits for a place: look again in a moment, not at once."""
        self._bell = Bell()

    @property
    def bell(self) -> int:
        """A descriptor that interrupts `serve` when a byte is written to it: for `signal.set_wakeup_fd`."""
        return self._bell.rope

    @property
    def draining(self) -> bool:
        """Whether it has been told to stop."""
        return self._told > 0

    def stop(self) -> None:
        """Answer what is in flight and what still arrives, then return from `serve`. A second call: return now.
        May be called from a signal handler and from any thread."""
        self._told += 1
        if self._told == 1:
            self._told_at = time.monotonic()
        self._bell.ring()

    def serve(self) -> Ended:
        """Accept and answer until there is a reason to end."""
        self._listener.setblocking(False)
        poller = select.poll()
        poller.register(self._bell, select.POLLIN)
        listening = False
        try:
            while True:
                wanted = not self._full and not (self.draining and self._shared)
                if wanted != listening:
                    poller.register(self._listener, select.POLLIN) if wanted else poller.unregister(self._listener)
                    listening = wanted
                ready = {fd for fd, _ in poller.poll(self._patience_milliseconds())}
                self._full = False
                if self._bell.fileno() in ready:
                    self._bell.hush()
                if self._listener.fileno() in ready:
                    self._accept()
                ended = self._reason_to_end(time.monotonic())
                if ended is not None:
                    return ended
        finally:
            self._crew.dismiss()
            self._bell.close()

    def _patience_milliseconds(self) -> float | None:
        if self.draining:
            return DRAIN_TICK_SECONDS * 1000
        if self._full:
            return FULL_TICK_SECONDS * 1000
        if self._limits.idle_seconds:
            left = self._awake + self._limits.idle_seconds - time.monotonic()
            return max(min(left, self._limits.idle_seconds / 4), 0.01) * 1000
        return None

    def _accept(self) -> None:
        for _ in range(ACCEPTS_AT_A_TIME):
            if len(self._connections) >= self._limits.max_connections:
                self._full = True
                self._close_idle(POLITE_SECONDS, at_most=1)
                return
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as fault:  # out of descriptors, or the peer has gone already
                LOG.warning("a connection cannot be accepted: %s", fault)
                self._full = True
                return
            self._take(sock)

    def _take(self, sock: socket.socket) -> None:
        try:
            connection = Connection(sock, self._answer, self._limits)
        except OSError as fault:  # reset meanwhile
            LOG.info("a connection was gone at once: %s", fault)
            sock.close()
            return
        self._connections.add(connection)
        self._awake = time.monotonic()
        try:
            self._crew.take(lambda: self._serve(connection))
        except RuntimeError as fault:  # no more threads
            LOG.warning("a connection cannot be served: %s", fault)
            sock.close()
            self._connections.discard(connection)

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        except Exception:
            LOG.exception("a connection broke off")
        finally:
            self._awake = max(self._awake, connection.idle_since or time.monotonic())
            self._connections.discard(connection)

    def _reason_to_end(self, now: float) -> Ended | None:
        if self._told > 1:
            return Ended.HURRIED
        if self.draining:
            return self._reason_to_end_draining(now)
        if self._limits.idle_seconds and not self._active(now) and now - self._awake >= self._limits.idle_seconds:
            self._close_idle(0.0)
            return None if self._active(now) or self._connections else Ended.IDLE
        return None

    def _reason_to_end_draining(self, now: float) -> Ended | None:
        self._close_idle(POLITE_SECONDS)
        for connection in tuple(self._connections):
            connection.closing = connection.closing or connection.idle_since is None
        if now - self._told_at >= self._limits.drain_seconds:
            return Ended.OVERDUE
        if self._active(now) or self._connections:
            return None
        quiet = 0.0 if self._shared else self._limits.quiet_seconds
        return Ended.DRAINED if now - max(self._awake, self._told_at) >= quiet else None

    def _active(self, now: float) -> bool:
        """Whether anything is under way. Notes when something last was."""
        waits = [connection.idle_since for connection in tuple(self._connections)]
        active = self._busy() or None in waits
        self._awake = now if active else max([self._awake, *(since for since in waits if since is not None)])
        return active

    def _close_idle(self, idle_seconds: float, *, at_most: int = 1 << 30) -> None:
        """Close the connections that have been idle longest."""
        now = time.monotonic()
        idle = [
            (now - since, connection)
            for connection in tuple(self._connections)
            if (since := connection.idle_since) is not None and not connection.woken
        ]
        for seconds, connection in sorted(idle, key=lambda pair: -pair[0])[:at_most]:
            if seconds >= idle_seconds:
                connection.wake()
