"""How a client comes in to a journal service: on this machine by a unix socket, else over HTTP."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from intellyhub_engine.journal.address import is_remote, parse_address
from intellyhub_engine.journal.wire import Frames, make_greeting, read_welcome, refuse_end

if TYPE_CHECKING:
    from intellyhub_engine.journal.distance import FarSocket

__all__ = ["Connected", "Door", "make_door"]

_GREETING_SECONDS = 5.0


class Connected(Protocol):
    """What a channel needs of a connection."""

    def sendall(self, sent: bytes, /) -> None:
        """Send all of it."""

    def recv(self, size: int, /) -> bytes:
        """What comes; empty at the end."""

    def shutdown(self, how: int, /) -> None:
        """End both directions."""

    def close(self) -> None:
        """Close."""


class Door(Protocol):
    """The way to one service. Both kinds raise `OSError` where it is away, `JournalUnwritable` where it refuses."""

    def introduce(self, token: str) -> Any:
        """Connect and show the token, without waiting for what is said to it."""

    def await_welcome(self, connected: Any) -> None:
        """Wait for that."""

    def limit_silence(self, connected: Any, answer_seconds: Sequence[float]) -> None:
        """How long the service may be silent while it owes such answers."""


def make_door(address: str, authority: Path | None) -> Door:
    """How to come in. `authority` is a file of certificates, for https. Raises `InputInvalid` for what is no address,
    `OSError` for a file that cannot be read."""
    return FarDoor(address, authority) if is_remote(address) else NearDoor(address)


class NearDoor:
    """A unix socket, on which the first frame greets."""

    def __init__(self, path: str) -> None:
        self._path = path

    def introduce(self, token: str) -> socket.socket:
        """Connect and greet."""
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.settimeout(_GREETING_SECONDS)
            connected.connect(self._path)
            connected.sendall(make_greeting(token))
        except BaseException:
            connected.close()
            raise
        return connected

    def await_welcome(self, connected: socket.socket) -> None:
        """Read the answer to the greeting."""
        frames = Frames()
        answers: list[tuple[Any, bytes]] = []
        while not answers:
            answers = frames.feed(refuse_end(connected.recv(4096)))
        read_welcome(answers)
        connected.settimeout(None)

    def limit_silence(self, connected: socket.socket, answer_seconds: Sequence[float]) -> None:
        """By the kernel."""
        patience = struct.pack("ll", int(max([*answer_seconds, 60.0])), 0)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)


class FarDoor:
    """An address in a network."""

    def __init__(self, address: str, authority: Path | None) -> None:
        from intellyhub_engine.journal import distance

        self._distance = distance
        self._address = parse_address(address)
        self._context = distance.make_context(self._address, authority)

    def introduce(self, token: str) -> FarSocket:
        """Connect and ask to be let in."""
        return self._distance.dial(self._address, token, self._context, _GREETING_SECONDS)

    def await_welcome(self, connected: FarSocket) -> None:
        """Read the answer."""
        connected.await_upgrade(_GREETING_SECONDS)

    def limit_silence(self, connected: FarSocket, answer_seconds: Sequence[float]) -> None:
        """The connection pings: a living service says something, however long an answer takes."""
