"""Plugins' listeners listen in processes of their own; their events come out one by one, and their faults are told."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import socket
import time
from dataclasses import replace

import pytest

from intellyhub_engine.errors import RetryableError
from intellyhub_engine.language.model import Listener
from intellyhub_engine.language.values.projection import project
from intellyhub_engine.machine.source import Health, MemoryCursors, Reply
from intellyhub_functions.plugins.listening.child import Host
from intellyhub_functions.plugins.listening.wire import TooLarge, Wire
from intellyhub_functions.plugins.tables import make_catalogue
from intellyhub_functions.testing.plugins import publish
from intellyhub_functions.testing.surroundings import Listening, Log, await_that, make_context

FLOW = """
name: clocked
variables: {ZONE: "{HOME_ZONE}", note: "it's"}
listener: {type: clock}
states:
  go:
    state_type: command
    command: echo "Time: $clock_number"
  end: {state_type: end}
"""


@pytest.fixture
def listening(tmp_path):
    """`listening(plugin, type, parameters)`: the source, begun when it is entered."""

    def begin(plugin, kind, parameters, *, consume=lambda event: None, text=FLOW, **options):
        (tmp_path / "flow.yaml").write_text(text)
        catalogue = make_catalogue(publish(tmp_path / "plugins", plugin))
        context = make_context(tmp_path / "workspace", **options)
        context = replace(context, text=tmp_path / "flow.yaml")
        source = catalogue.sources[kind]
        assert source.load is not None
        return source, Listening(source.load()(parameters, context), context, consume)

    return begin


def test_a_published_listener_makes_an_event_of_each_flow_it_starts(listening):
    log = Log()
    reports: list[Health] = []
    source, heard = listening(
        "clock-listener", "clock", {"times": 2}, log=log, settings={"HOME_ZONE": "CET"}, report=reports.append
    )
    with heard:
        first, second = heard.next(), heard.next()
        await_that(lambda: "tick 2" in log.text())
    assert first.data == {"clock_number": 1, "clock_zone": "CET", "clock_tick": {"number": 1}}
    assert (second.data["clock_number"], second.type) == (2, "io.intellyhub.plugin.clock")
    assert first.id != second.id
    assert ("info", "tick 1 ✓ 2") in log.lines
    assert reports[0].connected
    names = project(first, source, Listener(type="clock", output="clock"))
    assert (names["clock_number"], names["event"].clock_tick.number, names["clock"].clock_zone) == (1, 1, "CET")


def test_what_a_published_listener_waits_for_is_the_safety_of_its_event(listening):
    log = Log()
    safe = []

    def consume(event):
        assert "tick" not in log.text()
        time.sleep(0.2)
        safe.append(event)

    _, heard = listening("clock-listener", "clock", {"times": 1, "zone": "{not} a {name}"}, log=log, consume=consume)
    with heard:
        assert heard.next().data["clock_zone"] == "{not} a {name}"
        await_that(lambda: "tick 1" in log.text())
    assert len(safe) == 1


def test_the_second_class_of_a_file_listens_in_a_thread_and_sees_what_the_run_left(listening, tmp_path):
    log = Log()

    def consume(event):
        heard.context.replies.give(event, Reply(body={"answer": 42}))

    _, heard = listening(
        "clock-listener",
        "threaded",
        {},
        log=log,
        consume=consume,
        settings={"ZONE": "x"},
        text="states: {a: {state_type: end}}",
    )
    with heard:
        event = heard.next()
        await_that(lambda: "ran with 42" in log.text())
    assert event.data == {"telegram_message_text": "hello {ZONE}", "telegram_chat_id": "5"}


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("return", "the listener ended by itself"),
        ("raise", "RuntimeError: the line is dead (clock_listener.py, line 65)"),
        ("leave", "the listener's process ended: exit code 9"),
    ],
)
def test_a_listener_that_ends_or_breaks_is_told_in_words(listening, then, said):
    _, heard = listening("clock-listener", "threaded", {"then": then})
    with heard:
        heard.next()
        with pytest.raises(RetryableError) as fault:
            heard.next()
    assert said in str(fault.value)


def test_a_listener_that_does_not_listen_to_reason_is_ended_within_a_second(listening):
    _, heard = listening("clock-listener", "clock", {"times": 1})
    with heard:
        heard.next()
        began = time.monotonic()
    assert time.monotonic() - began < 2


def test_a_native_source_goes_on_where_it_was(listening):
    cursors = MemoryCursors()
    reports: list[Health] = []
    _, heard = listening("acme", "ticks", {"times": 2}, cursors=cursors, report=reports.append)
    with heard:
        events = [heard.next(), heard.next()]
        await_that(lambda: reports and not reports[-1].connected)
    assert [(event.id, event.subject, event.data) for event in events] == [
        ("tick-1", "tick", {"number": 1}),
        ("tick-2", "tick", {"number": 2}),
    ]
    assert (cursors.get("place"), reports[-1].message) == (2, "no more ticks")
    _, heard = listening("acme", "ticks", {"times": "3"}, cursors=cursors)
    with heard:
        assert heard.next().id == "tick-3"


def test_who_asks_after_the_end_is_told_so():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        host = Host(Wire(ours))
        Wire(theirs).send({"kind": "stop"})
        host.hear()
        with pytest.raises(ConnectionError, match="has to end"):
            host.ask({"kind": "load"})


@pytest.mark.parametrize(
    "sent", [b"\xff\xff\xff\xff", b"\0\0\0\3abc", b"\0\0\0\1[", b"\0\0\0\2[]", b"\0\1\0\0" + b"[" * 65536]
)
def test_what_is_no_message_is_refused(sent):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(sent)
        theirs.close()
        with pytest.raises(TooLarge):
            Wire(ours).receive()


def test_what_a_native_source_had_not_moved_past_comes_again_with_the_same_id(listening):
    cursors = MemoryCursors()
    _, heard = listening("acme", "ticks", {"times": 3, "fail_at": 2}, cursors=cursors)
    with heard:
        assert heard.next().id == "tick-1"
        with pytest.raises(RetryableError, match=r"RuntimeError: out of order \(acme.py, line \d+\)"):
            heard.next()
    _, heard = listening("acme", "ticks", {"times": 3}, cursors=cursors)
    with heard:
        assert heard.next().id == "tick-2"
