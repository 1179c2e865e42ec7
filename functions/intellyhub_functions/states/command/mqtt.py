"""The `mqtt` kind: publishes one message and waits until the broker has it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError, StepCancelled
from intellyhub_engine.language.values.values import Record, TextRecord, text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.patience import Stopped

if TYPE_CHECKING:
    from intellyhub_functions.mqtt.client import Broker
    from intellyhub_functions.mqtt.sender import Sender

__all__ = ["publish"]

DEFAULT_TIMEOUT_SECONDS = 30.0


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
    client = make_client(parameters, broker, step)
    seconds = step.timeout_seconds or DEFAULT_TIMEOUT_SECONDS
    ends = time.monotonic() + seconds
    try:
        client.open(broker, seconds=seconds, stopping=step.cancelled)
        client.send(
            topic,
            make_payload(parameters),
            qos=int(quality),
            retain=bool(parameters.get("retain")),
            broker=broker,
            seconds=ends - time.monotonic(),
            stopping=step.cancelled,
        )
    except Stopped as fault:
        raise StepCancelled("the run was cancelled") from fault
    finally:
        client.close()
    return Record(success=True, topic=topic, broker=f"{broker.host}:{broker.port}", qos=int(quality))


def make_payload(parameters: Mapping[str, Any]) -> bytes:
    """Text and bytes as they are, lists and mappings as JSON."""
    payload = parameters.get("payload", parameters.get("message"))
    if isinstance(payload, bytes):
        return payload
    structured = isinstance(payload, dict | list) and not isinstance(payload, TextRecord)
    return (json.dumps(payload, ensure_ascii=False, default=text_of) if structured else text_of(payload)).encode()


def make_client(parameters: Mapping[str, Any], broker: Broker, step: Step) -> Sender:
    """A client with the state's name, user and encryption; not connected."""
    from intellyhub_functions.mqtt.client import prepare, read_version
    from intellyhub_functions.mqtt.sender import Sender

    name = text_of(parameters.get("client_id"))
    client = Sender(client_id=name, protocol=read_version(parameters.get("version")))
    prepare(client, broker, parameters, step.scope.get, step.workspace)
    return client
