"""The `mqtt` kind: publishes one message and waits until the broker has it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled
from intellyhub_engine.language.values.values import Record, TextRecord, text_of
from intellyhub_engine.machine.step import Step

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.reasoncodes import ReasonCode

__all__ = ["publish"]

DEFAULT_TIMEOUT_SECONDS = 30.0
LOOK_SECONDS = 0.05
REFUSALS = ("Not authorized", "Bad user name or password", "Banned", "Client identifier not valid")
"""Reason codes that another try meets again (MQTT 5.0, section 3.2.2.2)."""


def publish(parameters: Mapping[str, Any], step: Step) -> Record:
    """Publish; gives `{success, topic, broker, qos}`. Raises RetryableError when the broker cannot be reached.

    With qos 0 the message has left; with 1 and 2 the broker has confirmed it.
    """
    topic = text_of(parameters.get("topic"))
    if not topic or "+" in topic or "#" in topic:
        raise PermanentError(f"mqtt needs a topic without wildcards to publish to, not {topic!r}")
    quality = parameters.get("qos") or 0
    if str(quality) not in ("0", "1", "2"):
        raise PermanentError(f"qos is {quality!r}; it is 0, 1 or 2")
    server, port = find_broker(parameters, step)
    session = Session(make_client(parameters, step), f"the MQTT broker {server}:{port}", step)
    with session:
        session.connect(server, port)
        session.publish(topic, make_payload(parameters), int(quality), retain=bool(parameters.get("retain")))
    return Record(success=True, topic=topic, broker=f"{server}:{port}", qos=int(quality))


def find_broker(parameters: Mapping[str, Any], step: Step) -> tuple[str, int]:
    """Host and port: the state's, else MQTT_BROKER and MQTT_PORT, else localhost:1883 (8883 with TLS)."""
    server = parameters.get("broker") or parameters.get("host") or step.scope.get("MQTT_BROKER") or "localhost"
    default = 8883 if parameters.get("tls") else 1883
    port = text_of(parameters.get("port") or step.scope.get("MQTT_PORT") or default)
    if not port.isdigit():
        raise PermanentError(f"the MQTT broker's port is {port!r}, not a number")
    return text_of(server), int(port)


def make_payload(parameters: Mapping[str, Any]) -> bytes:
    """Text and bytes as they are, lists and mappings as JSON."""
    payload = parameters.get("payload", parameters.get("message"))
    if isinstance(payload, bytes):
        return payload
    structured = isinstance(payload, dict | list) and not isinstance(payload, TextRecord)
    return (json.dumps(payload, ensure_ascii=False, default=text_of) if structured else text_of(payload)).encode()


def make_client(parameters: Mapping[str, Any], step: Step) -> Client:
    """A client with the state's name, user and encryption; not connected."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    client = Client(CallbackAPIVersion.VERSION2, client_id=text_of(parameters.get("client_id")))
    username = parameters.get("username") or step.scope.get("MQTT_USERNAME")
    if username:
        password = parameters.get("password") or step.scope.get("MQTT_PASSWORD")
        client.username_pw_set(text_of(username), text_of(password))
    if parameters.get("tls"):
        client.tls_set()
    return client


class Session:
    """One connection: connects, publishes, and ends within the step's time."""

    def __init__(self, client: Client, name: str, step: Step) -> None:
        self._client = client
        self._name = name
        self._cancelled = step.cancelled
        self._ends = time.monotonic() + (step.timeout_seconds or DEFAULT_TIMEOUT_SECONDS)
        self._answered = threading.Event()
        self._reason: ReasonCode | None = None
        client.on_connect = self._on_connect

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *fault: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def connect(self, server: str, port: int) -> None:
        """Connect and wait for the broker's consent."""
        self._client.connect_timeout = max(self._ends - time.monotonic(), 0.001)
        try:
            self._client.connect(server, port)
        except (OSError, ValueError) as fault:
            raise RetryableError(f"{self._name} cannot be reached: {fault}") from fault
        self._client.loop_start()
        self._wait(self._answered.is_set)
        assert self._reason is not None
        if self._reason.is_failure:
            kind = PermanentError if str(self._reason) in REFUSALS else RetryableError
            raise kind(f"{self._name} refuses the connection: {self._reason}")

    def publish(self, topic: str, payload: bytes, quality: int, *, retain: bool) -> None:
        """Publish and wait until it has left (qos 0) or is confirmed."""
        try:
            message = self._client.publish(topic, payload, quality, retain)
        except ValueError as fault:  # a topic or payload beyond the protocol's limits
            raise PermanentError(f"the message cannot be published: {fault}") from fault
        self._wait(message.is_published)

    def _wait(self, done: Any) -> None:
        while not done():
            if self._cancelled.is_set():
                raise StepCancelled("the run was cancelled")
            if time.monotonic() > self._ends:
                raise RetryableError(f"{self._name} did not answer in time")
            self._answered.wait(LOOK_SECONDS) if not self._answered.is_set() else time.sleep(LOOK_SECONDS / 10)

    def _on_connect(self, client: Client, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._reason = reason
        self._answered.set()
