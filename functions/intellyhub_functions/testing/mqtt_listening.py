"""A sender, and an mqtt source that listens to a test's broker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import Cursors
from intellyhub_functions.sources.mqtt.mqtt import listen
from intellyhub_functions.testing.mqtt_broker import AmqttBroker, Mosquitto
from intellyhub_functions.testing.standing import Standing
from intellyhub_functions.testing.surroundings import Listening, Log, make_context

__all__ = ["Sender", "payloads", "watch"]

SENT_SECONDS = 10.0


class Sender:
    """Publishes, and waits until the broker has it."""

    def __init__(self, broker: AmqttBroker | Mosquitto, version: str = "3.1.1") -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5 if version == "5" else MQTTv311)
        self._client.username_pw_set("sender")
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, topic: str, payload: str | bytes, qos: int = 1, **more: Any) -> None:
        """Publish one message."""
        self._client.publish(topic, payload, qos, **more).wait_for_publish(SENT_SECONDS)


def watch(
    broker: AmqttBroker | Mosquitto,
    workspace: Path,
    topic: Any,
    cursors: Cursors | None = None,
    consume: Callable[[Event], Any] = lambda event: None,
    **parameters: Any,
) -> Any:
    """`Listening` on a source that listens to a topic, with these parameters."""
    context = make_context(workspace, cursors=cursors, log=Log(), report=Standing())
    given = {
        "host": "127.0.0.1",
        "port": broker.port,
        "topic": topic,
        "version": broker.version,
        "username": "flow",
        **parameters,
    }
    return Listening(listen(given, context), context, consume)


def payloads(source: Listening, count: int) -> list[Any]:
    """The payloads of the next events."""
    return [source.next().data["payload"] for _ in range(count)]
