"""An MQTT broker that says just what a test makes it say (MQTT 3.1.1 and 5.0, section 3)."""

from __future__ import annotations

import socket
from typing import Self

__all__ = ["CONNACK", "CONNECT", "PUBACK", "PUBCOMP", "PUBLISH", "PUBREC", "PUBREL", "Scripted"]

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 5, 6, 7, 8, 9
ANSWER_SECONDS = 5
QUIET_SECONDS = 0.3


class Scripted:
    """Takes one connection after the other; `expect` waits for a packet of the client's, `say` sends one."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(ANSWER_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self._connection = socket.socket()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self.hang_up()
        self._listener.close()

    def take(self) -> None:
        """Take a connection."""
        self._connection.close()
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(ANSWER_SECONDS)
        self.expect(CONNECT)

    def greet(self, *, present: bool) -> None:
        """Take a connection whose session is known, or not; then its subscription is taken too."""
        self.take()
        self.say(CONNACK, bytes([present, 0]))
        if not present:
            body = self.expect(SUBSCRIBE)
            self.say(SUBACK, body[:2] + body[-1:])

    def hang_up(self) -> None:
        """End the connection."""
        self._connection.close()

    def publish(self, payload: bytes, *, qos: int, mid: int, dup: bool = False) -> None:
        """Send a message of the topic `t`."""
        body = b"\x00\x01t" + mid.to_bytes(2, "big") + payload
        self.say(PUBLISH, body, flags=dup << 3 | qos << 1)

    def say(self, kind: int, body: bytes, flags: int = 0) -> None:
        """Send a packet."""
        self._connection.sendall(bytes([kind << 4 | flags, len(body)]) + body)

    def expect(self, kind: int) -> bytes:
        """The next packet's body; it has to be of that kind."""
        found, body = self.read()
        assert found == kind, f"packet {found} came, not {kind}"
        return body

    def read(self) -> tuple[int, bytes]:
        """Kind and body of the next packet."""
        head = self._connection.recv(2, socket.MSG_WAITALL)
        return head[0] >> 4, self._connection.recv(head[1], socket.MSG_WAITALL) if head[1] else b""

    def is_quiet(self) -> bool:
        """Whether nothing comes for a moment."""
        self._connection.settimeout(QUIET_SECONDS)
        try:
            return not self._connection.recv(1)
        except TimeoutError:
            return True
        finally:
            self._connection.settimeout(ANSWER_SECONDS)
