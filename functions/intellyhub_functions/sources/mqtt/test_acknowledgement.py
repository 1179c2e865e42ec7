"""What goes over the wire, and when: a broker that says just what a test makes it say (MQTT 3.1.1, section 3)."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import threading

import pytest

from intellyhub_engine.errors import JournalFull
from intellyhub_engine.machine.source import MemoryCursors
from intellyhub_functions.sources.mqtt import ledger
from intellyhub_functions.sources.mqtt.ledger import Ledger
from intellyhub_functions.sources.mqtt.mqtt import listen
from intellyhub_functions.sources.mqtt.receiver import Arrival, Receiver
from intellyhub_functions.testing.mqtt_scripted import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, Scripted
from intellyhub_functions.testing.surroundings import Listening, Log, make_context


@pytest.fixture
def broker():
    with Scripted() as server:
        yield server


def watch(broker, tmp_path, cursors, consume=lambda event: None, qos=1):
    context = make_context(tmp_path, cursors=cursors, log=Log())
    given = {"host": "127.0.0.1", "port": broker.port, "topic": "t", "qos": qos}
    return Listening(listen(given, context), context, consume)


def word(mid):
    return mid.to_bytes(2, "big")


@pytest.mark.parametrize(("qos", "answer"), [(1, PUBACK), (2, PUBREC)])
def test_a_message_is_acknowledged_when_its_event_is_safe_and_not_before(broker, tmp_path, qos, answer):
    safe = threading.Event()
    with watch(broker, tmp_path, MemoryCursors(), lambda event: safe.wait(10), qos) as source:
        broker.greet(present=False)
        broker.publish(b"a", qos=qos, mid=7)
        assert source.next().data["payload"] == "a"
        assert broker.is_quiet()
        safe.set()
        assert broker.expect(answer) == word(7)
        if qos == 2:
            broker.say(PUBREL, word(7), flags=2)
            assert broker.expect(PUBCOMP) == word(7)


@pytest.mark.parametrize(("qos", "answer"), [(1, PUBACK), (2, PUBREC)])
@pytest.mark.parametrize("safe", [True, False], ids=["stored", "not stored"])
def test_a_message_that_is_sent_again_is_the_same_event_after_a_restart(broker, tmp_path, qos, answer, safe):
    cursors = MemoryCursors()

    def fall(event):
        raise RuntimeError("the platform is gone")

    with watch(broker, tmp_path, cursors, (lambda event: None) if safe else fall, qos) as source:
        broker.greet(present=False)
        broker.publish(b"a", qos=qos, mid=7)
        first = source.next()
        if safe:
            broker.expect(answer)  # and it is lost on its way
    broker.hang_up()
    with watch(broker, tmp_path, cursors, qos=qos) as source:
        broker.greet(present=True)
        broker.publish(b"a", qos=qos, mid=7, dup=True)
        assert source.next().id == first.id
        assert broker.expect(answer) == word(7)
        broker.publish(b"a", qos=qos, mid=7)  # the number is free again: another message
        assert source.next().id != first.id


def test_a_message_that_is_sent_again_without_the_mark_is_known_by_its_number(broker, tmp_path, monkeypatch):
    safe, ended = threading.Event(), threading.Event()
    note = Receiver._note_end

    def note_and_tell(self, *told):
        note(self, *told)
        ended.set()

    monkeypatch.setattr(Receiver, "_note_end", note_and_tell)
    with watch(broker, tmp_path, MemoryCursors(), lambda event: safe.wait(10)) as source:
        broker.greet(present=False)
        broker.publish(b"a", qos=1, mid=7)
        first = source.next()
        broker.hang_up()  # the connection ends before the event is safe
        assert ended.wait(10)
        safe.set()
        broker.greet(present=True)
        broker.publish(b"a", qos=1, mid=7)
        assert source.next().id == first.id


def test_a_session_that_the_broker_has_forgotten_has_numbers_of_its_own(broker, tmp_path):
    cursors = MemoryCursors()
    with watch(broker, tmp_path, cursors) as source:
        broker.greet(present=False)
        broker.publish(b"a", qos=1, mid=1)
        first = source.next()
    broker.hang_up()
    with watch(broker, tmp_path, cursors) as source:
        broker.greet(present=False)
        broker.publish(b"a", qos=1, mid=1, dup=True)
        assert source.next().id != first.id
        assert "forgotten the session" in source.context.log.text()


def test_a_message_is_released_although_another_process_took_it(broker, tmp_path):
    with watch(broker, tmp_path, MemoryCursors(), qos=2):
        broker.greet(present=False)
        broker.say(PUBREL, word(9), flags=2)
        assert broker.expect(PUBCOMP) == word(9)


def test_a_message_whose_topic_is_no_text_is_acknowledged_and_left_out(broker, tmp_path):
    with watch(broker, tmp_path, MemoryCursors()) as source:
        broker.greet(present=False)
        broker.say(PUBLISH, b"\x00\x01\xff" + word(3) + b"x", flags=2)
        assert broker.expect(PUBACK) == word(3)
        broker.publish(b"sound", qos=1, mid=4)
        assert source.next().data["payload"] == "sound"
        assert "left out: its topic is no text" in source.context.log.text()


def test_nothing_is_acknowledged_while_ids_cannot_be_kept(broker, tmp_path):
    class Full(MemoryCursors):
        full = False

        def put(self, key, value):
            if self.full:
                raise JournalFull("the disk is full")
            super().put(key, value)

    cursors = Full()
    with watch(broker, tmp_path, cursors) as source:
        broker.greet(present=False)
        cursors.full = True
        broker.publish(b"a", qos=1, mid=7)
        with pytest.raises(JournalFull):
            source.next()
        kind, _ = broker.read()
        assert kind == 14  # it takes leave, and acknowledges nothing


def arrival(mid, payload=b"a", *, dup=False, qos=1):
    return Arrival(
        mid=mid, topic="t", payload=payload, qos=qos, retain=False, dup=dup, cut=False, properties={}, existing=False
    )


def test_a_number_that_was_settled_long_ago_is_another_messages():
    book = Ledger(None)
    [first] = book.enter([arrival(7)])
    book.settle(arrival(7), now=100.0)
    book.forget(now=150.0, since=90.0, seconds=120.0)
    assert book.enter([arrival(7, dup=True)]) == [first]
    book.settle(arrival(7), now=160.0)
    book.forget(now=300.0, since=90.0, seconds=120.0)
    assert book.enter([arrival(7, dup=True)]) != [first]


def test_a_ledger_that_was_lost_gives_no_id_twice():
    assert Ledger(None).enter([arrival(1)]) != Ledger(None).enter([arrival(1)])


def test_a_ledger_is_the_same_when_it_is_read_again(monkeypatch):
    monkeypatch.setattr(ledger, "MAX_LINES", 3)
    book = Ledger(None)
    ids = book.enter([arrival(mid) for mid in range(1, 6)])
    again = Ledger(book.written())
    assert len(book.written()["lines"]) == 3
    assert again.enter([arrival(4, dup=True), arrival(5, dup=True)]) == ids[3:]
    assert again.enter([arrival(9)])[0] not in ids
