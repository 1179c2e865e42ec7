"""MQTT, against a real broker."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import socket
import threading

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled
from intellyhub_functions.states.command.mqtt import publish
from intellyhub_functions.testing.certificates import make_certificate
from intellyhub_functions.testing.mqtt_broker import NEEDS_MOSQUITTO, AmqttBroker, Mosquitto
from intellyhub_functions.testing.ports import free_port
from intellyhub_functions.testing.surroundings import await_that, configured, make_step


@pytest.fixture(scope="module")
def broker():
    with AmqttBroker({"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}) as running:
        yield running


@pytest.fixture
def received(broker):
    """What a subscriber of `home/#` receives, as (topic, payload)."""
    client, found, subscribed = Client(CallbackAPIVersion.VERSION2), [], threading.Event()
    client.on_message = lambda source, data, message: found.append((message.topic, message.payload))
    client.on_subscribe = lambda *told: subscribed.set()
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    client.subscribe("home/#", qos=1)
    assert subscribed.wait(10)
    yield found
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize(
    ("payload", "arriving"),
    [("21.5", b"21.5"), ({"t": 21.5}, b'{"t": 21.5}'), (b"\x00\xff", b"\x00\xff"), (None, b"")],
)
@pytest.mark.parametrize("quality", [0, 1, 2])
def test_a_message_arrives_at_the_broker(broker, received, tmp_path, payload, arriving, quality):
    parameters = {"broker": "127.0.0.1", "port": broker.port, "topic": "home/t", "payload": payload, "qos": quality}
    result = publish(parameters, make_step(tmp_path))
    assert (result.success, result.topic, result.qos) == (True, "home/t", quality)
    await_that(lambda: received)
    assert received == [("home/t", arriving)]


def test_the_broker_comes_from_the_environment_when_left_out(broker, tmp_path):
    names = {"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(broker.port)}
    assert publish({"topic": "other", "payload": 1}, make_step(tmp_path, outer=names)).success


def test_a_refused_user_is_told_without_the_password(tmp_path):
    users = tmp_path / "users"
    users.write_text("")
    with AmqttBroker({"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(users)}}) as closed:
        parameters = {"broker": "127.0.0.1", "port": closed.port, "topic": "t", "username": "u", "password": "s3cret"}
        with pytest.raises(PermanentError, match="refuses the connection") as failure:
            publish(parameters, make_step(tmp_path))
        assert "s3cret" not in str(failure.value)


@NEEDS_MOSQUITTO
@pytest.mark.parametrize("version", ["3.1.1", 5])
@pytest.mark.parametrize("quality", [0, 1, 2])
def test_a_message_arrives_encrypted_in_both_versions_of_the_protocol(tmp_path, version, quality):
    certificate = make_certificate(tmp_path)
    with Mosquitto(tmp_path, certificate=certificate) as secure:
        parameters = {"broker": f"mqtts://localhost:{secure.port}", "version": version, "qos": quality, "topic": "t"}
        assert publish({**parameters, "ca_file": "server.pem"}, make_step(tmp_path)).success
        with pytest.raises(PermanentError, match="certificate is not valid"):
            publish(parameters, make_step(tmp_path))


def test_a_run_that_is_cancelled_waits_for_no_broker(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        step = make_step(tmp_path)
        threading.Timer(0.2, step.cancelled.set).start()
        with pytest.raises(StepCancelled):
            publish({"broker": "127.0.0.1", "port": silent.getsockname()[1], "topic": "t"}, step)


def test_a_broker_that_may_not_be_reached_is_refused(broker, tmp_path):
    with configured(INTELLYHUB_NETWORK="public"), pytest.raises(PermanentError, match="may not connect"):
        publish({"broker": "127.0.0.1", "port": broker.port, "topic": "t"}, make_step(tmp_path))


def test_a_broker_that_is_away_may_come_back(tmp_path):
    with pytest.raises(RetryableError, match="cannot be reached"):
        publish({"broker": "127.0.0.1", "port": free_port(), "topic": "t"}, make_step(tmp_path))


def test_a_broker_that_never_answers_is_given_up(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        parameters = {"broker": "127.0.0.1", "port": silent.getsockname()[1], "topic": "t"}
        with pytest.raises(RetryableError, match="did not answer in time"):
            publish(parameters, make_step(tmp_path, timeout_seconds=0.2))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"topic": ""}, "a topic without wildcards"),
        ({"topic": "a/#"}, "a topic without wildcards"),
        ({"topic": "a", "qos": 3}, "qos is 3"),
        ({"topic": "a", "port": "x"}, "not a number"),
    ],
)
def test_what_cannot_be_published_is_said(tmp_path, parameters, message):
    with pytest.raises(PermanentError, match=message):
        publish(parameters, make_step(tmp_path))
