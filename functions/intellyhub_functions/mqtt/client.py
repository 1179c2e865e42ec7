"""An MQTT client for a broker that nobody vouches for: it connects where flows may go, and takes in what it can hold.

paho hands sockets and packets to methods of its own; those that are replaced here are named so that a test notices when
another version of it calls them otherwise (`test_client`).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.network.patience import Stopped, finish
from intellyhub_functions.network.tcp import connect
from intellyhub_functions.network.tls import make_tls_context

__all__ = ["MAX_PACKET_BYTES", "REFUSALS", "Broker", "GuardedClient", "find_broker", "prepare", "read_version"]

MAX_PACKET_BYTES = 1024 * 1024 + 65536
"""Of one message with its topic; the protocol allows 256 MB."""
PIECE_BYTES = 65536
LOOK_SECONDS = 0.1
"""How often a wait looks whether it has to end; what the broker says ends it at once."""
CLOSE_SECONDS = 1.0
"""For taking leave; a broker that does not answer is left without."""
SCHEMES = {"mqtt": False, "tcp": False, "mqtts": True, "ssl": True, "tls": True}
"""Of a broker that is given as an address; whether it is encrypted."""
VERSIONS = {"3.1.1": MQTTv311, "311": MQTTv311, "3": MQTTv311, "4": MQTTv311, "5": MQTTv5, "5.0": MQTTv5}
REFUSALS = frozenset(
    (
        "Bad authentication method",
        "Bad user name or password",
        "Banned",
        "Client identifier not valid",
        "Not authorized",
        "Packet too large",
        "Payload format invalid",
        "QoS not supported",
        "Retain not supported",
        "Topic name invalid",
        "Unsupported protocol version",
    )
)
"""Reason codes that another try meets again (MQTT 5.0, sections 2.4 and 3.2.2.2)."""

Names = Callable[[str], Any]
"""Looks up a name that a tenant configures; None where there is none."""


@dataclass(frozen=True, kw_only=True)
class Broker:
    """Where the broker is."""

    host: str
    port: int
    tls: bool

    @property
    def name(self) -> str:
        """As messages name it."""
        return f"the MQTT broker {self.host}:{self.port}"


def find_broker(parameters: Mapping[str, Any], names: Names) -> Broker:
    """The one that is named, else that of MQTT_BROKER and MQTT_PORT, else localhost; port 1883, with TLS 8883."""
    written = text_of(parameters.get("broker") or parameters.get("host") or names("MQTT_BROKER") or "localhost")
    tls = bool(parameters.get("tls"))
    port = text_of(parameters.get("port") or "")
    if "://" in written:
        parts = urlsplit(written)
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise PermanentError(f"the broker is a host, or an address such as mqtts://host:8883, not {written[:80]!r}")
        tls, written = tls or SCHEMES[parts.scheme], parts.hostname
        port = port or written_port(parts.netloc)
    port = port or text_of(names("MQTT_PORT") or "") or ("8883" if tls else "1883")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise PermanentError(f"the MQTT broker's port is {port!r}, not a number up to 65535")
    return Broker(host=written, port=int(port), tls=tls)


def written_port(netloc: str) -> str:
    """The port of an address, as it is written."""
    _, colon, port = netloc.rpartition("@")[2].rpartition(":")
    return port if colon and not port.endswith("]") else ""


def read_version(written: Any) -> int:
    """The protocol's number for what `version` says. Raises PermanentError."""
    spelling = text_of(written or "3.1.1").strip().lower().removeprefix("mqtt").strip("v ")
    if spelling not in VERSIONS:
        raise PermanentError(f"the version of MQTT is {spelling[:20]!r}; known are 3.1.1 and 5")
    return int(VERSIONS[spelling])


def prepare(client: Client, broker: Broker, parameters: Mapping[str, Any], names: Names, workspace: Path) -> None:
    """Give a client its user and its encryption."""
    username = parameters.get("username") or names("MQTT_USERNAME")
    if username:
        password = parameters.get("password") or names("MQTT_PASSWORD")
        client.username_pw_set(text_of(username), text_of(password) if password else None)
    if broker.tls:
        client.tls_set_context(make_tls_context(parameters, workspace))
        client.tls_insecure_set(parameters.get("verify_tls") is False)


def refused(name: str, reason: ReasonCode) -> PermanentError | RetryableError:
    """The failure when a broker does not take a connection or a subscription."""
    kind = PermanentError if str(reason) in REFUSALS else RetryableError
    return kind(f"{name} refuses the connection: {reason}")


class Beginning(bytearray):
    """The beginning of a packet that is too large; the rest of it is taken in and forgotten."""

    def __iadd__(self, piece: Any) -> Beginning:  # type: ignore[misc]
        self.extend(piece[: max(MAX_PACKET_BYTES - len(self), 0)])
        return self


class GuardedClient(Client):
    """paho's client. A packet that is too large arrives as its beginning, `is_cut` while it is handled."""

    def __init__(self, *, client_id: str, protocol: int, clean: bool) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=clean if protocol == MQTTv311 else None,
            protocol=protocol,  # type: ignore[arg-type]
            reconnect_on_failure=False,
        )
        self._abandoned = False
        self._changed = threading.Condition()
        self._answer: tuple[bool, ReasonCode] | None = None
        """Session present, and the broker's word."""
        self._end: str | None = None
        """Why the connection ended."""
        self._closing = False
        self.on_connect = self._note_answer
        self.on_disconnect = self._note_end

    def open(
        self, broker: Broker, *, seconds: float, stopping: threading.Event, keepalive: int = 60, **start: Any
    ) -> bool:
        """Connect, and wait for the broker's consent; whether it remembers the session. `start` is for paho's own
        `connect`. Raises RetryableError, PermanentError, Stopped."""
        self.connect_timeout = seconds
        try:
            finish(
                lambda: self.connect(broker.host, broker.port, keepalive, **start),
                abandon=self.abandon,
                stopping=stopping,
                seconds=seconds,
            )
        except ssl.SSLCertVerificationError as fault:
            raise PermanentError(f"{broker.name}: its certificate is not valid: {fault.verify_message}") from fault
        except (OSError, ValueError) as fault:
            raise RetryableError(f"{broker.name} cannot be reached: {fault}") from fault
        self.loop_start()
        self.wait_until(lambda: self._answer is not None, broker, seconds, stopping)
        assert self._answer is not None
        present, reason = self._answer
        if reason.is_failure:
            raise refused(broker.name, reason)
        return present

    def wait_until(self, done: Callable[[], bool], broker: Broker, seconds: float, stopping: threading.Event) -> None:
        """Wait for what the broker is to answer. Raises RetryableError, Stopped."""
        ends = time.monotonic() + seconds
        with self._changed:
            while not done():
                if stopping.is_set():
                    raise Stopped
                if self._end is not None:
                    raise RetryableError(f"{broker.name} closed the connection: {self._end}")
                left = ends - time.monotonic()
                if left <= 0:
                    raise RetryableError(f"{broker.name} did not answer in time")
                self._changed.wait(min(LOOK_SECONDS, left))

    def close(self) -> None:
        """End the connection in order."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self.disconnect()
        with contextlib.suppress(TimeoutError):
            finish(self.loop_stop, abandon=self.abandon, stopping=threading.Event(), seconds=CLOSE_SECONDS)

    def abandon(self) -> None:
        """End the connection whatever it waits for, also one that is only about to be made."""
        self._abandoned = True
        connection: Any = self.socket()
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def is_cut(self) -> bool:
        """Whether the packet at hand is only the beginning of one."""
        return self._in_packet["remaining_length"] > MAX_PACKET_BYTES

    def _note_answer(self, client: Client, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        with self._changed:
            self._answer = (bool(flags.session_present), reason)
            self._changed.notify_all()

    def _note_end(self, client: Client, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        with self._changed:
            self._end = str(reason)
            self._changed.notify_all()

    def _create_socket_connection(self) -> socket.socket:
        return connect(self._host, self._port, self._connect_timeout)

    def _ssl_wrap_socket(self, tcp_sock: Any) -> Any:
        """The library leaves the connection open where the certificate is not valid."""
        context = self._ssl_context
        assert context is not None
        secure = context.wrap_socket(tcp_sock, server_hostname=self._host, do_handshake_on_connect=False)
        try:
            secure.settimeout(self._connect_timeout)
            secure.do_handshake()
        except BaseException:
            secure.close()
            raise
        return secure

    def _create_socket(self) -> Any:
        connection = super()._create_socket()
        if self._abandoned:  # it would take the session away from the connection that came after it
            connection.close()
            raise ConnectionAbortedError("nobody waits for it any more")
        return connection

    def _sock_recv(self, bufsize: int) -> bytes:
        if self.is_cut and not isinstance(self._in_packet["packet"], Beginning):
            self._in_packet["packet"] = Beginning(self._in_packet["packet"])
        return super()._sock_recv(min(bufsize, PIECE_BYTES))
