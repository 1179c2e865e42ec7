"""A source that looks now and then, in its own thread."""

import threading

from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import SourceContext
from intellyhub_engine.machine.watch import Watcher


class Clock:
    """Time passes while a source sleeps."""

    def __init__(self):
        self.now_ns = 0

    def __call__(self):
        return self.now_ns


class Bell:
    """Rings every ten seconds."""

    def __init__(self, parameters, context):
        self.parameters = parameters
        self.context = context
        self.next_ns = 0

    def due_ns(self):
        return self.next_ns

    def look(self):
        at = self.context.now_ns()
        yield Event(id=str(at), source="/bell", type=self.parameters["type"])
        self.next_ns = at + 10_000_000_000


def make_context(tmp_path, clock):
    context = SourceContext(
        flow="f",
        address="/f",
        stopping=threading.Event(),
        log=lambda level, message: None,
        now_ns=clock,
        workspace=tmp_path,
    )

    def sleep(seconds):
        clock.now_ns += int(seconds * 1e9)
        return False

    object.__setattr__(context, "sleep", sleep)
    return context


def test_it_looks_whenever_it_is_time(tmp_path):
    clock = Clock()
    events = Watcher(Bell)({"type": "ring"}, make_context(tmp_path, clock))
    assert [next(events).id for _ in range(3)] == ["0", "10000000000", "20000000000"]


def test_it_ends_when_it_is_told_to(tmp_path):
    context = make_context(tmp_path, Clock())
    events = Watcher(Bell)({"type": "ring"}, context)
    next(events)
    context.stopping.set()
    assert list(events) == []
