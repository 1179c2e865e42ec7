"""The mqtt source against real brokers: amqtt everywhere, mosquitto (and with it MQTT 5) where it is installed."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import base64
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.source import MemoryCursors
from intellyhub_functions.sources.mqtt.mqtt import listen
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.mqtt_broker import NEEDS_MOSQUITTO
from intellyhub_functions.testing.mqtt_listening import Sender, payloads, watch
from intellyhub_functions.testing.standing import await_contact
from intellyhub_functions.testing.surroundings import await_that, make_context


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_is_an_event(broker, tmp_path, topic, qos):
    with watch(broker, tmp_path, f"{topic}/+/t", qos=qos) as source, Sender(broker) as sender:
        await_contact(source)
        sender.send(f"{topic}/kitchen/t", '{"temperature": 31.5}', qos)
        event = source.next()
    assert (event.type, event.subject) == ("io.intellyhub.mqtt.message", f"{topic}/kitchen/t")
    assert {name: event.data[name] for name in ("topic", "payload", "encoding", "qos", "retain")} == {
        "topic": f"{topic}/kitchen/t",
        "payload": {"temperature": 31.5},
        "encoding": "json",
        "qos": qos,
        "retain": False,
    }


def test_several_topics_are_listened_to_each_with_its_quality(broker, tmp_path, topic):
    wanted = [f"{topic}/a/#", {"topic": f"{topic}/b", "qos": 2}]
    with watch(broker, tmp_path, wanted, qos=0) as source, Sender(broker) as sender:
        await_contact(source)
        sender.send(f"{topic}/c", "no", 2)
        sender.send(f"{topic}/a/x/y", "1", 2)
        sender.send(f"{topic}/b", "2", 2)
        found = {event.data["topic"]: event.data["qos"] for event in (source.next(), source.next())}
    assert found == {f"{topic}/a/x/y": 0, f"{topic}/b": 2}


@pytest.mark.parametrize("qos", [1, 2])
def test_what_is_sent_while_nobody_listens_is_not_lost_and_nothing_comes_twice(broker, tmp_path, topic, qos):
    cursors = MemoryCursors()
    with Sender(broker) as sender:
        with watch(broker, tmp_path, topic, cursors, qos=qos) as source:
            await_contact(source)
            sender.send(topic, "first", qos)
            first = source.next()
            sender.send(topic, "second", qos)
            second = source.next()
        broker.await_leave()
        for number in range(3):
            sender.send(topic, f"while away {number}", qos)
        with watch(broker, tmp_path, topic, cursors, qos=qos) as source:
            events = [source.next() for _ in range(3)]
            sender.send(topic, "last", qos)
            events.append(source.next())
    told = [first, second, *events]
    distinct = {event.id: event.data["payload"] for event in told}
    assert list(distinct.values()) == ["first", "second", *(f"while away {n}" for n in range(3)), "last"]


@pytest.mark.parametrize("qos", [1, 2])
def test_an_event_that_was_not_safe_yet_comes_again_with_the_same_id(keeping_broker, tmp_path, topic, qos):
    broker, cursors, ids = keeping_broker, MemoryCursors(), []

    def fall(event):
        ids.append(event.id)
        raise RuntimeError("the platform is gone")

    with Sender(broker) as sender:
        with watch(broker, tmp_path, topic, cursors, fall, qos=qos) as source:
            await_contact(source)
            sender.send(topic, "a", qos)
            sender.send(topic, "a", qos)
            source.next()
            with pytest.raises(RuntimeError):
                source.next()
        with watch(broker, tmp_path, topic, cursors, qos=qos) as source:
            again, other = source.next(), source.next()
    assert again.id == ids[0]
    assert other.id != again.id  # the same content, another message


def test_messages_of_one_content_are_events_of_their_own(broker, tmp_path, topic):
    with watch(broker, tmp_path, topic) as source, Sender(broker) as sender:
        await_contact(source)
        for _ in range(5):
            sender.send(topic, "21.5")
        assert len({source.next().id for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("payload", "wanted", "value", "encoding"),
    [
        (b'{"a": [1, null]}', "auto", {"a": [1, None]}, "json"),
        (b"21.5", "auto", 21.5, "json"),
        (b"021", "auto", "021", "text"),
        (b"NaN", "auto", "NaN", "text"),
        (b"123456789012345678901234567890", "auto", 1.2345678901234568e29, "json"),
        ("già".encode(), "auto", "già", "text"),
        (b"\xff\x00", "auto", base64.b64encode(b"\xff\x00").decode(), "base64"),
        (b"", "auto", "", "text"),
        (b"21.5", "text", "21.5", "text"),
        (b"21.5", "bytes", "MjEuNQ==", "base64"),
    ],
)
def test_a_payload_is_read_as_what_it_is(brokers, tmp_path, topic, payload, wanted, value, encoding):
    broker = brokers("amqtt")
    with watch(broker, tmp_path, topic, payload_format=wanted) as source, Sender(broker) as sender:
        await_contact(source)
        sender.send(topic, payload)
        data = source.next().data
    assert (data["payload"], data["encoding"]) == (value, encoding)


def test_retained_messages_from_before_the_first_contact_are_skipped(broker, tmp_path, topic):
    with Sender(broker) as sender:
        sender.send(topic, "old", retain=True)
        with watch(broker, tmp_path, topic) as source:
            await_contact(source)
            sender.send(topic, "new", retain=True)
            assert source.next().data["payload"] == "new"
        sender.send(topic, "", retain=True)


def test_retained_messages_come_once_when_asked_for(broker, tmp_path, topic):
    cursors = MemoryCursors()
    with Sender(broker) as sender:
        sender.send(topic, "old", retain=True)
        with watch(broker, tmp_path, topic, cursors, emit_existing=True) as source:
            event = source.next()
            assert (event.data["payload"], event.data["retain"]) == ("old", True)
            sender.send(topic, "live")
            assert source.next().data["payload"] == "live"
        broker.await_leave()
        with watch(broker, tmp_path, topic, cursors, emit_existing=True) as source:
            await_contact(source)
            sender.send(topic, "later")
            ids: dict[str, str] = {}
            while "later" not in ids.values():
                again = source.next()
                ids[again.id] = again.data["payload"]
        assert "old" not in ids.values() or event.id in ids
        sender.send(topic, "", retain=True)


def test_topics_that_a_listener_no_longer_names_are_given_up(broker, tmp_path, topic):
    cursors = MemoryCursors()
    with watch(broker, tmp_path, [f"{topic}/a", f"{topic}/b"], cursors) as source:
        await_contact(source)
    broker.await_leave()
    with Sender(broker) as sender, watch(broker, tmp_path, [f"{topic}/b", f"{topic}/c"], cursors) as source:
        await_contact(source)
        for name in "abc":
            sender.send(f"{topic}/{name}", name)
        assert payloads(source, 2) == ["b", "c"]


@NEEDS_MOSQUITTO
def test_members_of_a_group_share_the_messages(brokers, tmp_path, topic):
    broker = brokers("mosquitto")
    told: list[str] = []
    given: dict[str, Any] = {"version": "5", "share": "workers"}
    take = lambda event: told.append(event.data["payload"])  # noqa: E731 - one word for both
    with (
        watch(broker, tmp_path, topic, consume=take, **given) as one,
        watch(broker, tmp_path, topic, consume=take, **given) as other,
        Sender(broker) as sender,
    ):
        await_contact(one)
        await_contact(other)
        for number in range(20):
            sender.send(topic, f"n{number}")
        await_that(lambda: len(told) >= 20)
    assert sorted(told) == sorted(f"n{number}" for number in range(20))


@NEEDS_MOSQUITTO
def test_what_version_5_tells_beside_a_message_is_told(brokers, tmp_path, topic):
    broker = brokers("mosquitto")
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = "text/csv"
    properties.ResponseTopic = "answers"
    properties.CorrelationData = b"\x01"
    properties.UserProperty = ("unit", "C")
    with watch(broker, tmp_path, topic, version="5") as source, Sender(broker, "5") as sender:
        await_contact(source)
        sender.send(topic, "a,b", properties=properties)
        told = source.next().data["properties"]
    assert told == {
        "content_type": "text/csv",
        "response_topic": "answers",
        "correlation_data": "01",
        "user": {"unit": "C"},
    }


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"topic": "a/#/b"}, "# has to be the last level"),
        ({"topic": "a+/b"}, "all of a level"),
        ({"topic": ["a", ""]}, "is empty"),
        ({"topic": "$share/a"}, "shared"),
        ({"topic": {"topic": "a", "qos": 3}}, "it is 0, 1 or 2"),
        ({"topic": []}, "between 1 and"),
        ({"version": "6"}, "known are 3.1.1 and 5"),
        ({"host": "http://broker"}, "not 'http://broker'"),
        ({"port": "0"}, "not a number up to"),
    ],
)
def test_what_cannot_be_listened_to_is_said(tmp_path, parameters, message):
    with pytest.raises(PermanentError, match=message):
        next(listen(parameters, make_context(tmp_path)))


def test_the_example_keeps_a_value_that_came(broker, tmp_path):
    with watch(broker, tmp_path, "home/+/temperature") as source, Sender(broker) as sender:
        await_contact(source)
        sender.send("home/kitchen/temperature", '{"temperature": 21.5}')
        event = source.next()
    run_example(Path(__file__).parent, tmp_path, event=event)
    assert (tmp_path / "seen.txt").read_text() == "home/kitchen/temperature 21.5\n"
