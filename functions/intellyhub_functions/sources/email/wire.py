"""An IMAP connection that bounds what a server can make of it: where it leads, how much it takes in."""

from __future__ import annotations

import contextlib
import imaplib
import select
import socket
import ssl
from collections.abc import Callable

from imapclient import IMAPClient

from intellyhub_functions.network.tcp import connect

__all__ = ["Client", "Wire"]

MAX_LINE_BYTES = 16 * 1024 * 1024
"""A search's answer is one line; this one names two million messages."""
PIECE_BYTES = 65536


class Wire(imaplib.IMAP4):
    """imaplib's protocol over a buffer of our own, which knows whether something waits in it (imaplib's does not, and
    has been another in every second release of Python)."""

    def __init__(
        self,
        server: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        seconds: float,
        opened: Callable[[socket.socket], None],
    ) -> None:
        self._tls = tls
        self._seconds = seconds
        self._opened = opened
        self._buffer = bytearray()
        self._filled_from: socket.socket | None = None
        self.most_bytes = PIECE_BYTES * 16
        """What may still come in until `allow` is called again."""
        super().__init__(server, port)

    def allow(self, most_bytes: int) -> None:
        """A command begins whose answer has at most so many bytes."""
        self.most_bytes = most_bytes

    def is_waiting(self, seconds: float) -> bool:
        """Whether the server has said something, or closed; waits for it."""
        if self._buffer or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return True
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        """Connect. The socket is shown at once, so that others can end what it waits for."""
        self.host, self.port = host, port
        self.sock = connect(host, port, self._seconds)
        self._opened(self.sock)
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=host)

    def read(self, size: int) -> bytes:
        """Exactly so many bytes, fewer where the connection ends."""
        self._forget_what_was_plain()
        self._check(size - len(self._buffer))
        while len(self._buffer) < size and self._receive():
            pass
        return self._take(size)

    def readline(self) -> bytes:
        """A line with its end, less where the connection ends."""
        self._forget_what_was_plain()
        begun = 0
        while (end := self._buffer.find(b"\n", begun)) < 0:
            begun = len(self._buffer)
            if begun > MAX_LINE_BYTES:
                raise self.abort(f"a line of more than {MAX_LINE_BYTES} bytes")
            if not self._receive():
                return self._take(begun)
        return self._take(end + 1)

    def shutdown(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):  # the server may have closed it
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def _forget_what_was_plain(self) -> None:
        """What came in before the connection was encrypted (STARTTLS) may be anybody's."""
        if self.sock is not self._filled_from:
            self._buffer.clear()
            self._filled_from = self.sock
            self._opened(self.sock)

    def _receive(self) -> bool:
        piece = self.sock.recv(PIECE_BYTES)
        self._check(len(piece))
        self.most_bytes -= len(piece)
        self._buffer += piece
        return bool(piece)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _check(self, size: int) -> None:
        if size > self.most_bytes:
            raise self.abort("the server sends more than was asked for")


class Client(IMAPClient):  # type: ignore[misc]  # imapclient publishes no annotations
    """IMAPClient over a `Wire`."""

    def __init__(self, make_wire: Callable[[], Wire], server: str, port: int, *, secure: bool, seconds: float) -> None:
        self._make_wire = make_wire
        super().__init__(server, port, ssl=secure, timeout=seconds)
        self.wire.debug = 0  # the library writes every line to a log otherwise

    @property
    def wire(self) -> Wire:
        """The connection below."""
        wire: Wire = self._imap
        return wire

    def _create_IMAP4(self) -> Wire:  # noqa: N802 - imapclient's name
        return self._make_wire()
