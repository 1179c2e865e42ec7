"""What GuardedClient takes of paho that is not for others: another version may call it otherwise."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import inspect
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement
from paho.mqtt.client import Client, MQTTv5

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.mqtt.client import GuardedClient
from intellyhub_functions.sources.mqtt.receiver import Receiver
from intellyhub_functions.states.command.mqtt import publish
from intellyhub_functions.testing.mqtt_scripted import CONNACK, PUBACK, PUBLISH, Scripted
from intellyhub_functions.testing.surroundings import make_step

REPLACED = (
    "_create_socket",
    "_create_socket_connection",
    "_handle_on_message",
    "_handle_publish",
    "_send_puback",
    "_send_pubrec",
    "_sock_recv",
    "_ssl_wrap_socket",
)


@pytest.mark.parametrize("name", REPLACED)
def test_what_is_replaced_is_there_and_takes_what_it_took(name):
    ours = next(kind for kind in (GuardedClient, Receiver) if name in vars(kind))
    assert list(inspect.signature(getattr(ours, name)).parameters) == list(
        inspect.signature(getattr(Client, name)).parameters
    )


def test_nothing_else_of_paho_is_replaced_by_chance():
    replaced = {name for kind in (GuardedClient, Receiver) for name in vars(kind) if hasattr(Client, name)}
    assert {name for name in replaced if not name.startswith("__")} == set(REPLACED)


def test_what_is_read_of_paho_is_there():
    client = GuardedClient(client_id="c", protocol=MQTTv5, clean=True)
    for name in ("_host", "_port", "_connect_timeout", "_ssl_context", "_in_messages", "_protocol"):
        assert hasattr(client, name)
    assert {"remaining_length", "packet"} <= set(client._in_packet)


def test_only_the_versions_that_were_tried_are_installed():
    [paho] = [
        found for line in requires("intellyhub-functions") or () if (found := Requirement(line)).name == "paho-mqtt"
    ]
    assert version("paho-mqtt") in paho.specifier
    assert any(clause.operator == "<" for clause in paho.specifier)


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [(0x87, PermanentError, "refuses the message: Not authorized"), (0x97, RetryableError, "Quota exceeded")],
)
def test_a_message_that_the_broker_refuses_has_not_been_sent(tmp_path, code, error, message):
    with Scripted() as broker:
        parameters = {"broker": "127.0.0.1", "port": broker.port, "topic": "t", "qos": 1, "version": 5}
        with ThreadPoolExecutor(1) as threads:
            sent = threads.submit(publish, parameters, make_step(tmp_path))
            broker.take()
            broker.say(CONNACK, b"\0\0\0")
            broker.say(PUBACK, broker.expect(PUBLISH)[3:5] + bytes([code]))
            with pytest.raises(error, match=message):
                sent.result()
