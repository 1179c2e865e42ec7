"""One connection that publishes: a message has been sent when the broker has answered for it."""

from __future__ import annotations

import threading
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.reasoncodes import ReasonCode

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.mqtt.client import REFUSALS, Broker, GuardedClient

__all__ = ["Sender"]


class Sender(GuardedClient):
    """A client without a session."""

    def __init__(self, *, client_id: str, protocol: int) -> None:
        super().__init__(client_id=client_id, protocol=protocol, clean=True)
        self._sent: dict[int, ReasonCode] = {}
        """The broker's word for each message, by its number."""
        self.on_publish = self._note_sent

    def send(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        retain: bool,
        broker: Broker,
        seconds: float,
        stopping: threading.Event,
    ) -> None:
        """Publish, and wait until the message has left (qos 0) or the broker has it. Raises RetryableError,
        PermanentError, Stopped."""
        try:
            number = self.publish(topic, payload, qos, retain).mid
        except ValueError as fault:  # a topic or payload beyond the protocol's limits
            raise PermanentError(f"the message cannot be published: {fault}") from fault
        self.wait_until(lambda: number in self._sent, broker, seconds, stopping)
        reason = self._sent[number]
        if reason.is_failure:
            kind = PermanentError if str(reason) in REFUSALS else RetryableError
            raise kind(f"{broker.name} refuses the message: {reason}")

    def _note_sent(self, client: Client, data: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        with self._changed:
            self._sent[mid] = reason
            self._changed.notify_all()
