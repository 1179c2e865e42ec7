"""Where a source whose callers wait meets the consumer of its events."""

import threading

from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import MemoryCursors, Replies, Reply

EVENT = Event(id="1", source="s", type="t")


def test_a_reply_given_from_another_thread_arrives():
    replies = Replies()
    with replies.expect(EVENT) as expected:
        threading.Timer(0.01, replies.give, (EVENT, Reply(body=1))).start()
        assert expected.wait(5) == Reply(body=1)


def test_everyone_who_waits_for_one_event_is_answered_and_the_first_reply_counts():
    replies = Replies()
    with replies.expect(EVENT) as first, replies.expect(EVENT) as second:
        replies.give(EVENT, Reply(body="a"))
        replies.give(EVENT, Reply(body="b"))
        assert first.wait(0) == second.wait(0) == Reply(body="a")


def test_a_reply_that_does_not_come_is_none():
    replies = Replies()
    with replies.expect(EVENT) as expected:
        assert expected.wait(0) is None


def test_a_reply_that_nobody_waits_for_is_dropped():
    replies = Replies()
    replies.give(EVENT, Reply())
    with replies.expect(EVENT) as expected:
        assert expected.wait(0) is None


def test_cursors_in_memory_keep_what_was_put():
    cursors = MemoryCursors()
    assert cursors.get("x") is None
    cursors.put("x", 1)
    assert cursors.get("x") == 1
