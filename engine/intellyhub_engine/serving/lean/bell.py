"""Wakes the thread that waits in a poll, from any other thread and from a signal handler."""

from __future__ import annotations

import socket
from contextlib import suppress

__all__ = ["Bell"]


class Bell:
    """Two ends: a byte written to one makes the other ready. `fileno` is that of the end to poll."""

    def __init__(self) -> None:
        self._rope, self._ear = socket.socketpair()
        self._rope.setblocking(False)
        self._ear.setblocking(False)

    @property
    def rope(self) -> int:
        """A descriptor to which a byte may be written instead of `ring`: for `signal.set_wakeup_fd`."""
        return self._rope.fileno()

    def fileno(self) -> int:
        return self._ear.fileno()

    def ring(self) -> None:
        """Wake who polls; nothing, where nobody does any more."""
        with suppress(OSError):  # full of rings already, or closed
            self._rope.send(b"\0")

    def hush(self) -> None:
        """Forget the rings so far. Only when the poll said that there are some."""
        self._ear.recv(4096)

    def close(self) -> None:
        self._rope.close()
        self._ear.close()
