"""A connection to a journal service in a network: as a socket, but it finds out when the other end is no longer there.

A cable that is cut, a node that is gone and a proxy that forwards nothing any more all leave a connection that looks
open. What is sent and never confirmed is found by the kernel (TCP keep-alive and user timeout, tcp(7)); who confirms
and forwards nothing is found by asking: a service that owes an answer and is silent for too long is pinged.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from intellyhub_engine.journal.address import (
    HEAD_END,
    MAX_HEAD_BYTES,
    PING,
    PING_SECONDS,
    SEND_SECONDS,
    SILENT_SECONDS,
    Address,
    make_upgrade,
    read_upgrade,
)

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["FarSocket", "dial", "make_context", "notice_loss"]

_KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 20_000))
"""Seconds, seconds, times, milliseconds."""


class FarSocket:
    """What a channel does with its socket. One thread receives at a time, several send."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._lock = threading.Lock()
        """TLS keeps one state for both directions; beside that, what is sent must not be mixed."""

    def sendall(self, sent: bytes) -> None:
        """Send. Raises `OSError` where the other side does not take it."""
        with self._lock:
            self._socket.sendall(sent)

    def recv(self, size: int) -> bytes:
        """What comes; empty at the end. Raises `TimeoutError` where nothing comes, not even the answer to a ping."""
        if not self._comes_within(PING_SECONDS):
            self.sendall(PING)
            if not self._comes_within(SILENT_SECONDS):
                raise TimeoutError("it stays silent")
        with self._lock:
            return self._socket.recv(size)

    def await_upgrade(self, seconds: float) -> None:
        """Read the answer to the request that `dial` has sent. Raises `JournalUnwritable`, `OSError`."""
        deadline, head = time.monotonic() + seconds, b""
        while HEAD_END not in head:
            if not self._comes_within(deadline - time.monotonic()):
                raise TimeoutError("it does not answer the request")
            received = self._socket.recv(4096)
            if not received or len(head) > MAX_HEAD_BYTES:
                raise ConnectionResetError("it closed the connection" if not received else "it answers endlessly")
            head += received
        read_upgrade(head.partition(HEAD_END)[0])
        if not head.endswith(HEAD_END):
            raise ConnectionAbortedError("it speaks before it is asked")

    def shutdown(self, how: int) -> None:
        """End both directions, so that who receives wakes up."""
        self._socket.shutdown(how)

    def close(self) -> None:
        """Close."""
        self._socket.close()

    def _comes_within(self, seconds: float) -> bool:
        if getattr(self._socket, "pending", int)():  # TLS has decrypted more than was taken
            return True
        poll = select.poll()
        try:
            poll.register(self._socket.fileno(), select.POLLIN)
        except ValueError as fault:
            raise ConnectionAbortedError("it was closed") from fault
        return bool(poll.poll(max(seconds, 0) * 1000))


def dial(address: Address, token: str, context: SSLContext | None, seconds: float) -> FarSocket:
    """Connect and ask for the upgrade, without waiting for its answer. Raises `OSError`, `JournalUnwritable`."""
    request = make_upgrade(address, token)
    connected = socket.create_connection((address.host, address.port), timeout=seconds)
    try:
        notice_loss(connected)
        if context is not None:
            connected = context.wrap_socket(connected, server_hostname=address.host)
        connected.sendall(request)
        connected.settimeout(SEND_SECONDS)
    except BaseException:
        connected.close()
        raise
    return FarSocket(connected)


def make_context(address: Address, authority: Path | None) -> SSLContext | None:
    """How `https` is spoken; `authority` is a file of certificates. Raises `OSError` for one that cannot be read."""
    if address.scheme != "https":
        return None
    import ssl  # takes 10 ms, and few have it

    return ssl.create_default_context(cafile=authority)


def notice_loss(connected: socket.socket) -> None:
    """Let small messages leave at once, and the kernel find out that the other end is gone (Linux; elsewhere as far as
    the system can)."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
