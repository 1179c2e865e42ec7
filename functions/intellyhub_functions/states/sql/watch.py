"""Ends a statement when the step's time is over or its run is cancelled: drivers wait for ever.

The connection's socket is shut, so that the driver's wait ends with an error. psycopg2's own `cancel` is of no use:
it connects to the server again, and holds all of Python up until it has.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import Any, Self

__all__ = ["Watch"]

LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 1.0
"""What a server that knows the time limit itself gets to say that it is over."""


class Watch:
    """A context; while it lasts, and once it knows the driver's connection, that is stopped when it has to be."""

    def __init__(self, cancelled: threading.Event, seconds: float, name: str) -> None:
        self.reason: str | None = None
        """`cancelled` or `timeout`, where it has stopped the connection."""
        self.seconds = seconds
        self.name = name
        self._cancelled = cancelled
        self._ends = time.monotonic() + seconds
        self._ended = threading.Event()
        self._connection: Any = None
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._socket is not None:
            self._socket.close()

    def over(self, connection: Any, *, is_told: bool) -> None:
        """Watch over this connection of a driver. `is_told`: its server knows the time limit."""
        self._socket = socket_of(connection)
        self._ends += PATIENCE_SECONDS if is_told else 0.0
        self._connection = connection

    def _work(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            if self._connection is None:
                continue
            if self._cancelled.is_set():
                self.reason = "cancelled"
            elif time.monotonic() > self._ends:
                self.reason = "timeout"
            else:
                continue
            self._stop()
            return

    def _stop(self) -> None:
        """SQLite is interrupted, everyone else is cut off."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        interrupt = getattr(self._connection, "interrupt", None)
        if interrupt is not None:
            with contextlib.suppress(Exception):  # it is closed already: there is nothing to interrupt
                interrupt()


def socket_of(connection: Any) -> socket.socket | None:
    """A connection's socket, a second descriptor of it; None where the driver shows none."""
    fileno = getattr(connection, "fileno", None) or getattr(getattr(connection, "_sock", None), "fileno", None)
    if fileno is None:
        return None
    try:
        return socket.socket(fileno=os.dup(fileno()))
    except OSError:
        return None
