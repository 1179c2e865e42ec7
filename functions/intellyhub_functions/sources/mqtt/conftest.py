"""The brokers that the tests of this folder share."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import contextlib
import hashlib
from typing import Any

import pytest

from intellyhub_functions.sources.mqtt import mqtt
from intellyhub_functions.testing.mqtt_broker import NEEDS_MOSQUITTO, AmqttBroker, Mosquitto

KINDS = [
    pytest.param(("amqtt", "3.1.1"), id="amqtt"),
    pytest.param(("mosquitto", "3.1.1"), id="mosquitto-3.1.1", marks=NEEDS_MOSQUITTO),
    pytest.param(("mosquitto", "5"), id="mosquitto-5", marks=NEEDS_MOSQUITTO),
]


@pytest.fixture(scope="module")
def brokers(tmp_path_factory):
    """Gives the broker of a kind; each is started when it is first asked for."""
    running: dict[str, AmqttBroker | Mosquitto] = {}
    with contextlib.ExitStack() as stack:

        def get(kind):
            if kind not in running:
                made: Any = AmqttBroker() if kind == "amqtt" else Mosquitto(tmp_path_factory.mktemp("mosquitto"))
                running[kind] = stack.enter_context(made)
            return running[kind]

        yield get


@pytest.fixture(params=KINDS)
def broker(request, brokers):
    """Any broker, and the version of the protocol to speak with it."""
    kind, version = request.param
    found = brokers(kind)
    found.version = version
    return found


@pytest.fixture(params=KINDS[1:])
def keeping_broker(request, brokers):
    """One that sends again what was not acknowledged, as it must; amqtt forgets it when the connection ends."""
    kind, version = request.param
    found = brokers(kind)
    found.version = version
    return found


@pytest.fixture
def topic(request):
    """A topic of the test's own: brokers are shared."""
    return f"t{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}"


@pytest.fixture(autouse=True)
def told_soon(monkeypatch):
    """A source that is told to stop does so at once."""
    monkeypatch.setattr(mqtt, "LOOK_SECONDS", 0.05)
