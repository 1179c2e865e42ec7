"""Tells when somebody waits in a listening socket: once, until it is asked to look again.

So a socket that stays readable (its flow may have no more workers) costs nothing, and neither does one whose workers
take everything: nobody asks for it.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

__all__ = ["Doorbell", "is_waited_at"]

EVENTS_AT_A_TIME = 256


class Doorbell:
    """Many sockets, one descriptor that is readable when one of them is to be seen to."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}

    def fileno(self) -> int:
        """For the event loop: call `answer` when it is readable."""
        return self._poll.fileno()

    def add(self, listener: socket.socket, callback: Callable[[], None]) -> None:
        """Call `callback` once, when somebody waits there; `arm` asks for the next time."""
        self._callbacks[listener.fileno()] = callback
        self._poll.register(listener, select.EPOLLIN | select.EPOLLONESHOT)

    def arm(self, listener: socket.socket) -> None:
        """Call again when somebody waits there, be it now."""
        self._poll.modify(listener, select.EPOLLIN | select.EPOLLONESHOT)

    def remove(self, listener: socket.socket) -> None:
        """No more calls. Before the socket is closed."""
        self._poll.unregister(listener)
        del self._callbacks[listener.fileno()]

    def answer(self) -> None:
        """Call whom it concerns."""
        for descriptor, _ in self._poll.poll(0, EVENTS_AT_A_TIME):
            callback = self._callbacks.get(descriptor)
            if callback is not None:
                callback()

    def close(self) -> None:
        """Close the descriptor."""
        self._poll.close()


def is_waited_at(listener: socket.socket) -> bool:
    """Whether somebody waits there now."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))
