"""The `mqtt` source: one event for every message of its topics, in a session that the broker remembers."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.errors import RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import Health, SourceContext
from intellyhub_functions.mqtt.client import find_broker, prepare, read_version
from intellyhub_functions.network.patience import Stopped
from intellyhub_functions.sources.backoff import Backoff
from intellyhub_functions.sources.mqtt.ledger import Ledger
from intellyhub_functions.sources.mqtt.payload import PayloadRefused, read_payload
from intellyhub_functions.sources.mqtt.receiver import Arrival, Receiver, Subscription
from intellyhub_functions.sources.mqtt.topics import read_topics

__all__ = ["listen"]

EVENT_TYPE = "io.intellyhub.mqtt.message"
MAX_BACKOFF_SECONDS = 120.0
MAX_BATCH = 50
"""Messages whose ids are written together."""
LOOK_SECONDS = 0.5
STEADY_SECONDS = 10.0
"""A connection that ends sooner is no reason to try again at once: two clients of one name throw each other out."""


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """A message is acknowledged to the broker after its event is stored; until then the broker keeps it, also while
    nobody listens."""
    post = Post(parameters, context)
    backoff = Backoff(context, most_seconds=MAX_BACKOFF_SECONDS)
    while not context.stopping.is_set():
        begun = time.monotonic()
        try:
            yield from post.session(backoff)
        except Stopped:
            return
        except RetryableError as failure:
            if time.monotonic() - begun > STEADY_SECONDS:
                backoff.succeed()
            if backoff.fail(failure, "the mqtt listener"):
                return


class Post:
    """One session with a broker, over however many connections."""

    def __init__(self, parameters: Mapping[str, Any], context: SourceContext) -> None:
        self._parameters = parameters
        self._context = context
        self._broker = find_broker(parameters, context.settings.get)
        self._protocol = read_version(parameters.get("version"))
        self._topics = read_topics(parameters)
        self._keepalive = int(parameters.get("keepalive", 60))
        self._seconds = float(parameters.get("timeout", 30))
        self._persistent = bool(parameters.get("persistent", True))
        named = f"{self._broker.host} {self._broker.port} {parameters.get('client_id') or ''}"
        self._key = f"mqtt {hashlib.sha256(named.encode()).hexdigest()[:12]}"
        kept = context.cursors.get(self._key) or {}
        self._ledger = Ledger(kept.get("ledger"))
        self._subscribed: dict[str, int] = kept.get("subscribed") or {}
        self._name: str = kept.get("client_id") or f"intellyhub-{secrets.token_hex(6)}"

    def session(self, backoff: Backoff) -> Iterator[Event]:
        """Connect, subscribe where that is needed, and give out messages until the connection ends."""
        receiver = self._make_receiver()
        try:
            self._open(receiver)
            self._context.report(Health(connected=True))
            opened_at = reported_at = time.monotonic()
            while not self._context.stopping.is_set():
                try:
                    arrivals = receiver.take(MAX_BATCH, LOOK_SECONDS)
                except ConnectionError as fault:
                    raise RetryableError(f"{self._broker.name} ended the connection: {fault}") from fault
                now = time.monotonic()
                if now - reported_at > min(self._keepalive, STEADY_SECONDS):
                    reported_at = now
                    backoff.succeed()
                yield from self._give(arrivals, receiver, opened_at)
        finally:
            receiver.close()

    def _make_receiver(self) -> Receiver:
        name = text_of(self._parameters.get("client_id") or self._name)
        receiver = Receiver(client_id=name, protocol=self._protocol, clean=not self._persistent)
        prepare(receiver, self._broker, self._parameters, self._context.settings.get, self._context.workspace)
        return receiver

    def _open(self, receiver: Receiver) -> None:
        """Have a connection whose subscriptions are those that the listener names."""
        context, broker = self._context, self._broker
        expiry = int(self._parameters.get("session_expiry", 604800)) if self._persistent else 0
        present = receiver.open_session(
            broker, keepalive=self._keepalive, seconds=self._seconds, expiry_seconds=expiry, stopping=context.stopping
        )
        if self._subscribed and not present and self._persistent:
            context.log("warning", f"{broker.name} has forgotten the session: what was published meanwhile is lost")
        if not present:
            self._ledger.begin_anew()
        before = self._subscribed if present else {}
        if before != self._topics:
            self._keep()  # the name under which the broker remembers is known before it remembers
            stale = [topic for topic in before if topic not in self._topics]
            if stale:
                receiver.unsubscribe(stale)
            new = {topic: qos for topic, qos in self._topics.items() if before.get(topic) != qos}
            existing = bool(self._parameters.get("emit_existing"))
            if new:
                subscription = Subscription(topics=new, existing=existing)
                receiver.take_topics(subscription, broker, seconds=self._seconds, stopping=context.stopping)
            self._subscribed = dict(self._topics)
            self._keep()

    def _give(self, arrivals: list[Arrival], receiver: Receiver, opened_at: float) -> Iterator[Event]:
        """The events of these messages. Their ids are kept before the first leaves, for the broker may send them
        again; each is acknowledged when the next is asked for."""
        if receiver.ended:  # it gives out again what has a number
            arrivals = [arrival for arrival in arrivals if not arrival.qos]
        ids = self._ledger.enter(arrivals)
        if any(arrival.qos and not arrival.existing for arrival in arrivals):
            self._ledger.forget(time.monotonic(), opened_at, 2.0 * self._keepalive)
            self._keep()
        for arrival, name in zip(arrivals, ids, strict=True):
            event = self._make_event(arrival, name)
            if event is not None:
                yield event
            if arrival.qos and not receiver.ended:
                receiver.acknowledge(arrival)
                self._ledger.settle(arrival, time.monotonic())

    def _make_event(self, arrival: Arrival, name: str) -> Event | None:
        """The event of a message; None for one that is not wanted, or cannot be read."""
        if arrival.existing and not self._parameters.get("emit_existing"):
            return None
        try:
            return make_event(arrival, name, self._parameters, self._context)
        except PayloadRefused as fault:
            self._context.log("error", f"a message of the topic {(arrival.topic or '?')[:200]!r} is left out: {fault}")
            return None

    def _keep(self) -> None:
        place = {"client_id": self._name, "subscribed": self._subscribed, "ledger": self._ledger.written()}
        self._context.cursors.put(self._key, place)


def make_event(arrival: Arrival, name: str, parameters: Mapping[str, Any], context: SourceContext) -> Event:
    """The event of a message. Raises PayloadRefused."""
    if arrival.topic is None:
        raise PayloadRefused("its topic is no text")
    if arrival.cut:
        raise PayloadRefused("it is larger than 1 MB")
    payload, encoding = read_payload(arrival.payload, text_of(parameters.get("payload_format") or "auto"))
    return Event(
        id=name,
        source=context.address,
        type=EVENT_TYPE,
        subject=arrival.topic[:1000],
        time=datetime.now(UTC).isoformat(),
        datacontenttype="application/json",
        data={
            "topic": arrival.topic,
            "payload": payload,
            "encoding": encoding,
            "qos": arrival.qos,
            "retain": arrival.retain,
            "properties": named_properties(arrival.properties),
        },
    )


def named_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What MQTT 5 tells beside the payload; the sender's own pairs as a mapping."""
    return {
        "content_type": properties.get("ContentType", ""),
        "response_topic": properties.get("ResponseTopic", ""),
        "correlation_data": properties.get("CorrelationData", ""),
        "user": {str(key): str(value) for key, value in properties.get("UserProperty", ())},
    }
