"""How a listener's process and its host talk: JSON messages on a stream socket, each after its length.

The host says first what is to be listened to (`task`), then answers: `done` (an event is safe, with what its run left),
`loaded` and `kept` (the source's place), `stop`. The process sends `event`, `load`, `keep`, `health`, and `failed`.
What it sends is data from outside.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

__all__ = ["MAX_MESSAGE_BYTES", "TooLarge", "Wire"]

LENGTH = struct.Struct("!I")
MAX_MESSAGE_BYTES = 16 << 20
CHUNK_BYTES = 1 << 16


class TooLarge(ValueError):
    """A message is larger than allowed, or none at all."""


class Wire:
    """One end. Sending is whole or raises OSError; receiving keeps what is not yet a message."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._held = bytearray()

    def send(self, message: dict[str, Any]) -> None:
        """Send one message. Raises TooLarge."""
        packed = json.dumps(message, default=str).encode()
        if len(packed) > MAX_MESSAGE_BYTES:
            raise TooLarge(f"the message has {len(packed)} bytes, {MAX_MESSAGE_BYTES} are allowed")
        self.end.sendall(LENGTH.pack(len(packed)) + packed)

    def feed(self) -> bool:
        """Take what has arrived, waiting where nothing has; False at the other side's end."""
        try:
            piece = self.end.recv(CHUNK_BYTES)
        except ConnectionResetError:
            return False
        self._held += piece
        return bool(piece)

    def take(self) -> dict[str, Any] | None:
        """The next message, if it is whole. Raises TooLarge for what can be none."""
        if len(self._held) < LENGTH.size:
            return None
        (size,) = LENGTH.unpack_from(self._held)
        if size > MAX_MESSAGE_BYTES:
            raise TooLarge(f"a message of {size} bytes, {MAX_MESSAGE_BYTES} are allowed")
        if len(self._held) < LENGTH.size + size:
            return None
        packed = bytes(self._held[LENGTH.size : LENGTH.size + size])
        del self._held[: LENGTH.size + size]
        try:
            message = json.loads(packed)
        except (ValueError, RecursionError) as fault:
            raise TooLarge(f"a message that is not JSON: {fault}") from fault
        if not isinstance(message, dict):
            raise TooLarge("a message that is no JSON object")
        return message

    def receive(self) -> dict[str, Any] | None:
        """Wait for the next message; None at the other side's end."""
        while (message := self.take()) is None:
            if not self.feed():
                return None
        return message
