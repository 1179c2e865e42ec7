"""The `mqtt` kind: publishes one message and waits until the broker has it."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled
from intellyhub_engine.language.values.values import Record, TextRecord, text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.patience import Stopped, finish

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.reasoncodes import ReasonCode

    from intellyhub_functions.mqtt.client import Broker, GuardedClient

__all__ = ["publish"]

DEFAULT_TIMEOUT_SECONDS = 30.0
LOOK_SECONDS = 0.05


def publish(parameters: Mapping[str, Any], step: Step) -> Record:
    """Publish; gives `{success, topic, broker, qos}`. Raises RetryableError when the broker cannot be reached.

    With qos 0 the message has left; with 1 and 2 the broker has confirmed it.
    """
    from intellyhub_functions.mqtt.client import find_broker

    topic = text_of(parameters.get("topic"))
    if not topic or "+" in topic or "#" in topic:
        raise PermanentError(f"mqtt needs a topic without wildcards to publish to, not {topic!r}")
    quality = parameters.get("qos") or 0
    if str(quality) not in ("0", "1", "2"):
        raise PermanentError(f"qos is {quality!r}; it is 0, 1 or 2")
    broker = find_broker(parameters, step.scope.get)
    session = Session(make_client(parameters, broker, step), broker, step)
    with session:
        session.connect()
        session.publish(topic, make_payload(parameters), int(quality), retain=bool(parameters.get("retain")))
    return Record(success=True, topic=topic, broker=f"{broker.host}:{broker.port}", qos=int(quality))


def make_payload(parameters: Mapping[str, Any]) -> bytes:
    """Text and bytes as they are, lists and mappings as JSON."""
    payload = parameters.get("payload", parameters.get("message"))
    if isinstance(payload, bytes):
        return payload
    structured = isinstance(payload, dict | list) and not isinstance(payload, TextRecord)
    return (json.dumps(payload, ensure_ascii=False, default=text_of) if structured else text_of(payload)).encode()


def make_client(parameters: Mapping[str, Any], broker: Broker, step: Step) -> GuardedClient:
    """A client with the state's name, user and encryption; not connected."""
    from intellyhub_functions.mqtt.client import GuardedClient, prepare, read_version

    name = text_of(parameters.get("client_id"))
    client = GuardedClient(client_id=name, protocol=read_version(parameters.get("version")), clean=True)
    prepare(client, broker, parameters, step.scope.get, step.workspace)
    return client


class Session:
    """One connection: connects, publishes, and ends within the step's time."""

    def __init__(self, client: GuardedClient, broker: Broker, step: Step) -> None:
        self._client = client
        self._broker = broker
        self._cancelled = step.cancelled
        self._ends = time.monotonic() + (step.timeout_seconds or DEFAULT_TIMEOUT_SECONDS)
        self._answered = threading.Event()
        self._reason: ReasonCode | None = None
        self._lost = False
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *fault: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def connect(self) -> None:
        """Connect and wait for the broker's consent."""
        from intellyhub_functions.mqtt.client import refused

        client, broker = self._client, self._broker
        seconds = max(self._ends - time.monotonic(), 0.001)
        client.connect_timeout = seconds
        try:
            finish(
                lambda: client.connect(broker.host, broker.port),
                abandon=client.abandon,
                stopping=self._cancelled,
                seconds=seconds,
            )
        except Stopped as fault:
            raise StepCancelled("the run was cancelled") from fault
        except ssl.SSLCertVerificationError as fault:
            raise PermanentError(f"{broker.name}: its certificate is not valid: {fault.verify_message}") from fault
        except (OSError, ValueError) as fault:
            raise RetryableError(f"{broker.name} cannot be reached: {fault}") from fault
        client.loop_start()
        self._wait(self._answered.is_set)
        assert self._reason is not None
        if self._reason.is_failure:
            raise refused(broker.name, self._reason)

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
            if self._lost:
                raise RetryableError(f"{self._broker.name} closed the connection")
            if time.monotonic() > self._ends:
                raise RetryableError(f"{self._broker.name} did not answer in time")
            self._answered.wait(LOOK_SECONDS) if not self._answered.is_set() else time.sleep(LOOK_SECONDS / 10)

    def _on_connect(self, client: Client, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._reason = reason
        self._answered.set()

    def _on_disconnect(self, client: Client, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._lost = True
