"""One connection that receives: messages are handed out, and acknowledged to the broker only when that is asked for."""

from __future__ import annotations

import collections
import threading
from collections.abc import Mapping
from typing import Any

from paho.mqtt.client import MQTT_ERR_SUCCESS, Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.mqtt.client import MAX_PACKET_BYTES, Broker, GuardedClient

__all__ = ["Arrival", "Receiver", "Subscription"]

MAX_WAITING = 200
MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Messages that are held until their turn comes; for more the broker has to wait."""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A message as it came."""

    mid: int
    """The broker's number for it, until it is acknowledged; 0 with qos 0."""
    topic: str | None
    """None where it is no UTF-8."""
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    """The broker may have sent it before."""
    cut: bool
    """It is larger than what is taken; `payload` is its beginning."""
    properties: Mapping[str, Any]
    existing: bool
    """A retained message that was there before the subscription. Some brokers mark so what they kept for a session that
    was away, too; on a connection that subscribed to nothing, only what has no number is taken for one."""


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """What is asked of the broker."""

    topics: Mapping[str, int]
    """Topic filter -> qos."""
    existing: bool
    """Whether retained messages are to come when a subscription is new."""


class Receiver(GuardedClient):
    """A client whose messages wait in `take` until they are asked for. paho acknowledges a message of qos 2 before it
    shows it; here both kinds wait, so that the broker keeps what is not safe yet."""

    def __init__(self, *, client_id: str, protocol: int, clean: bool) -> None:
        super().__init__(client_id=client_id, protocol=protocol, clean=clean)
        self._clean = clean
        self._waiting: collections.deque[Arrival] = collections.deque()
        self._waiting_bytes = 0
        self._granted: list[ReasonCode] = []
        """The broker's word for each topic that was asked for."""
        self._subscribes = False
        self._withheld: int | None = None
        self.on_subscribe = self._note_granted

    def open_session(
        self, broker: Broker, *, keepalive: int, seconds: float, expiry_seconds: int, stopping: threading.Event
    ) -> bool:
        """Connect; whether the broker remembers the session. Raises RetryableError, PermanentError, Stopped."""
        start: dict[str, Any] = {}
        if self._protocol == MQTTv5:
            start = {"clean_start": self._clean, "properties": make_properties(expiry_seconds)}
        return self.open(broker, seconds=seconds, stopping=stopping, keepalive=keepalive, **start)

    def take_topics(
        self, subscription: Subscription, broker: Broker, *, seconds: float, stopping: threading.Event
    ) -> None:
        """Subscribe, and wait for the broker's consent."""
        topics: Any = list(subscription.topics.items())
        if self._protocol == MQTTv5:
            handling = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
            if not subscription.existing:
                handling = SubscribeOptions.RETAIN_DO_NOT_SEND
            topics = [(topic, SubscribeOptions(qos=qos, retainHandling=handling)) for topic, qos in topics]
        self._granted.clear()
        self._subscribes = True
        self.subscribe(topics)
        self.wait_until(lambda: bool(self._granted), broker, seconds, stopping)
        for topic, reason in zip(subscription.topics, self._granted, strict=False):
            if reason.is_failure:
                raise PermanentError(f"{broker.name} refuses the topic {topic!r}: {reason}")

    def take(self, most: int, seconds: float) -> list[Arrival]:
        """The messages that wait, after at most so many seconds none. Raises ConnectionError when the connection has
        ended and nothing is left of it."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._end is not None, seconds)
            if not self._waiting and self._end is not None:
                raise ConnectionError(self._end)
            taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            self._waiting_bytes -= sum(len(arrival.payload) for arrival in taken)
            self._changed.notify_all()
        return taken

    @property
    def ended(self) -> bool:
        """Whether the connection has ended: the broker gives out again what was not acknowledged on it."""
        return self._end is not None

    def acknowledge(self, arrival: Arrival) -> None:
        """Say that a message is safe; the broker may forget it."""
        if arrival.qos == 1:
            super()._send_puback(arrival.mid)
        elif arrival.qos == 2:
            super()._send_pubrec(arrival.mid)

    def _handle_publish(self) -> MQTTErrorCode:
        self._withheld = None
        result = super()._handle_publish()
        if self._withheld is not None:  # qos 2: paho keeps it until the broker releases it
            self._put(self._in_messages[self._withheld])
        return result

    def _handle_on_message(self, message: MQTTMessage) -> None:
        if message.qos < 2:
            self._put(message)

    def _send_puback(self, mid: int) -> MQTTErrorCode:
        return MQTT_ERR_SUCCESS

    def _send_pubrec(self, mid: int) -> MQTTErrorCode:
        self._withheld = mid
        return MQTT_ERR_SUCCESS

    def _put(self, message: MQTTMessage) -> None:
        """Let a message wait; while there is no room the broker is not listened to."""
        arrival = make_arrival(message, cut=self.is_cut, fresh=self._subscribes)
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._has_room())
            self._waiting.append(arrival)
            self._waiting_bytes += len(arrival.payload)
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return len(self._waiting) < MAX_WAITING and self._waiting_bytes < MAX_WAITING_BYTES

    def _note_granted(self, client: Client, data: Any, mid: int, reasons: list[ReasonCode], properties: Any) -> None:
        with self._changed:
            self._granted.extend(reasons)
            self._changed.notify_all()


def make_properties(expiry_seconds: int) -> Any:
    """What MQTT 5 lets a client ask for: how long it is remembered, how much may be under way."""
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho does not annotate it
    properties.SessionExpiryInterval = expiry_seconds
    properties.ReceiveMaximum = MAX_WAITING
    properties.MaximumPacketSize = MAX_PACKET_BYTES
    return properties


def make_arrival(message: MQTTMessage, *, cut: bool, fresh: bool) -> Arrival:
    """A message of paho's, copied: paho keeps its own."""
    try:
        topic = message.topic
    except UnicodeDecodeError:
        topic = None
    properties: Any = message.properties
    return Arrival(
        mid=message.mid if message.qos else 0,
        topic=topic,
        payload=bytes(message.payload),
        qos=message.qos,
        retain=bool(message.retain),
        existing=bool(message.retain) and (fresh or not message.qos),
        dup=bool(message.dup),
        cut=cut,
        properties=properties.json() if properties is not None else {},
    )
