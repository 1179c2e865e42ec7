"""What goes wrong between the mqtt source and a broker: nothing is lost, nothing doubled, health tells the truth."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import threading

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.source import MemoryCursors
from intellyhub_functions.mqtt import client as mqtt_client
from intellyhub_functions.sources import backoff
from intellyhub_functions.testing.certificates import make_certificate
from intellyhub_functions.testing.mqtt_broker import NEEDS_MOSQUITTO, AmqttBroker, Mosquitto
from intellyhub_functions.testing.mqtt_listening import Sender, watch
from intellyhub_functions.testing.proxy import Proxy
from intellyhub_functions.testing.standing import await_contact, await_failure, standing_of
from intellyhub_functions.testing.surroundings import await_that, configured


def test_a_connection_that_is_cut_loses_nothing(broker, tmp_path, topic):
    with (
        Proxy(("127.0.0.1", broker.port)) as proxy,
        Sender(broker) as sender,
        watch(broker, tmp_path, topic, port=proxy.port) as source,
    ):
        await_contact(source)
        sender.send(topic, "before")
        before = source.next()
        with proxy.gone():
            await_failure(source)
            sender.send(topic, "meanwhile")
        found = {before.id: "before"}
        while "meanwhile" not in found.values():  # the first one may come again: its acknowledgement was cut off
            event = source.next()
            found[event.id] = event.data["payload"]
        await_contact(source)
    assert list(found.values()) == ["before", "meanwhile"]


def test_a_connection_that_went_silent_is_found(broker, tmp_path, topic):
    with (
        Proxy(("127.0.0.1", broker.port)) as proxy,
        Sender(broker) as sender,
        watch(broker, tmp_path, topic, port=proxy.port, keepalive=1, timeout=1) as source,
    ):
        await_contact(source)
        proxy.freeze()
        await_failure(source)
        proxy.thaw()
        await_contact(source)
        sender.send(topic, "after")
        assert source.next().data["payload"] == "after"


def test_what_is_sent_while_a_connection_is_silent_is_not_lost(keeping_broker, tmp_path, topic):
    broker = keeping_broker
    with (
        Proxy(("127.0.0.1", broker.port)) as proxy,
        Sender(broker) as sender,
        watch(broker, tmp_path, topic, port=proxy.port, keepalive=1, timeout=1) as source,
    ):
        await_contact(source)
        proxy.freeze()
        sender.send(topic, "meanwhile")
        await_failure(source)
        proxy.thaw()
        assert source.next().data["payload"] == "meanwhile"
        await_contact(source)


def test_a_broker_may_go_and_come_back(tmp_path):
    with AmqttBroker() as broker, watch(broker, tmp_path, "t") as source:
        await_contact(source)
        broker.stop()
        await_failure(source)
        assert "the MQTT broker" in standing_of(source).reports[-1].message
        broker.start()
        await_contact(source)
        with Sender(broker) as sender:
            sender.send("t", "after")
            assert source.next().data["payload"] == "after"
        assert "has forgotten the session" in source.context.log.text()


@NEEDS_MOSQUITTO
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_broker_that_restarts_keeps_what_was_not_safe(tmp_path, version):
    with Mosquitto(tmp_path) as broker:
        broker.version = version
        held, told = threading.Event(), []

        def hold(event):
            told.append(event.id)
            held.wait(20)

        with watch(broker, tmp_path, "t", consume=hold) as source:
            await_contact(source)
            with Sender(broker) as sender:
                for number in range(3):
                    sender.send("t", f"n{number}")
            source.next()
            broker.stop()
            broker.start()
            held.set()
            await_that(lambda: len(set(told)) == 3)
            await_contact(source)
        assert "has forgotten" not in source.context.log.text()


def test_a_wrong_password_ends_the_listener_without_being_shown(tmp_path):
    users = tmp_path / "users"
    users.write_text("")
    with (
        AmqttBroker({"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(users)}}) as broker,
        watch(broker, tmp_path, "t", username="u", password="s3cret") as source,
    ):
        with pytest.raises(PermanentError, match="refuses the connection") as failure:
            source.next()
        assert "s3cret" not in str(failure.value) + source.context.log.text()


@NEEDS_MOSQUITTO
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_user_that_mosquitto_does_not_know_ends_the_listener(tmp_path, version):
    with (
        Mosquitto(tmp_path, users="someone:$7$101$AAAA$AAAA\n") as broker,
        watch(broker, tmp_path, "t", version=version, username="u", password="p") as source,
        pytest.raises(PermanentError, match=r"refuses the connection: (Not authorized|Bad user)"),
    ):
        source.next()


@pytest.mark.parametrize("qos", [1, 2])
def test_a_message_that_cannot_be_read_is_left_out_loudly_and_stops_nothing(broker, tmp_path, topic, qos):
    with watch(broker, tmp_path, topic, qos=qos, payload_format="json") as source, Sender(broker) as sender:
        await_contact(source)
        sender.send(topic, b"\xff\x00 no json", qos)
        sender.send(topic, "[1]", qos)
        assert source.next().data["payload"] == [1]
        assert "left out: it is no JSON" in source.context.log.text()


@pytest.mark.parametrize("qos", [1, 2])
def test_a_message_that_is_too_large_is_left_out_loudly_and_stops_nothing(broker, tmp_path, topic, qos, monkeypatch):
    cursors = MemoryCursors()
    monkeypatch.setattr(mqtt_client, "MAX_PACKET_BYTES", 4096)
    with Sender(broker) as sender:
        with watch(broker, tmp_path, topic, cursors, qos=qos) as source:
            await_contact(source)
            sender.send(topic, b"x" * 100_000, qos)
            sender.send(topic, "small", qos)
            assert source.next().data["payload"] == "small"
            sender.send(topic, "next", qos)
            assert source.next().data["payload"] == "next"
        broker.await_leave()
        with watch(broker, tmp_path, topic, cursors, qos=qos) as source:
            await_contact(source)
            sender.send(topic, "later", qos)
            while source.next().data["payload"] != "later":
                pass  # the last one before may come again
        assert "larger than" not in source.context.log.text()  # the large one does not


@NEEDS_MOSQUITTO
def test_a_connection_can_be_encrypted(tmp_path):
    certificate = make_certificate(tmp_path)
    with Mosquitto(tmp_path, certificate=certificate) as broker:
        address = f"mqtts://localhost:{broker.port}"
        with watch(broker, tmp_path, "t", host=address, ca_file="server.pem") as source:
            await_contact(source)
        with watch(broker, tmp_path, "t", host=address, verify_tls=False) as source:
            await_contact(source)
        unknown = watch(broker, tmp_path, "t", host=address)
        with unknown as source, pytest.raises(PermanentError, match="certificate is not valid"):
            source.next()


def test_two_clients_of_one_name_do_not_throw_each_other_out_without_end(brokers, tmp_path, topic, monkeypatch):
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 1.0)
    broker = brokers("amqtt")
    with watch(broker, tmp_path, topic, client_id=f"{topic}-one") as one:
        await_contact(one)
        with watch(broker, tmp_path, topic, client_id=f"{topic}-one") as other:
            await_contact(other)
            await_failure(one)
            wait = standing_of(one).reports[-1].next_attempt_seconds
            assert wait is not None
            assert wait > 0.5


def test_a_broker_that_may_not_be_reached_is_refused(brokers, tmp_path):
    with (
        configured(INTELLYHUB_NETWORK="public"),
        watch(brokers("amqtt"), tmp_path, "t") as source,
        pytest.raises(PermanentError, match="may not connect"),
    ):
        source.next()
