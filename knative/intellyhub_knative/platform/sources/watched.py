"""Sources that look now and then, in turns: a turn is one look, or a part of one that makes many events."""

from __future__ import annotations

import time
from collections.abc import Iterator

from intellyhub_engine.errors import JournalError
from intellyhub_engine.events import Event
from intellyhub_engine.machine.watch import Watch, Watcher
from intellyhub_knative.platform.sources.source import Source

__all__ = ["Watched"]

LONGEST_TURN_SECONDS = 5.0
"""Then others get their turn."""
SHARE_OF_A_CORE = 0.05
"""What one source may use on average: a feed that takes long to read is read the more seldom."""
FREE_SECONDS = 0.5
"""A turn that used less of a core costs nothing."""
PREDECESSOR_SECONDS = 0.1


class Watched:
    """One source, a turn at a time; never two turns at once."""

    def __init__(self, source: Source, watcher: Watcher) -> None:
        self.source = source
        self.tenant_id = source.deployment.tenant_id
        self._watcher = watcher
        self._watch: Watch | None = None
        self._events: Iterator[Event] | None = None
        self._pending: Event | None = None
        self._rests_until = 0.0
        """On the monotonic clock."""

    def turn(self) -> int | None:
        """Do what is due; when to come again, in Unix nanoseconds; None when it has ended."""
        if not self.source.may_begin():
            return after(PREDECESSOR_SECONDS)
        if self.source.context.stopping.is_set():
            self._forget()
            self.source.ended.set()
            return None
        rest = self._rests_until - time.monotonic()
        if rest > 0:
            return after(rest)
        used = time.thread_time()
        try:
            again_ns = self._look()
        except Exception as fault:  # noqa: BLE001 - the edge between the host and a source: `fail` logs it
            self._forget()
            again_ns = after(self.source.fail(fault))
            self._rests_until = time.monotonic() + (again_ns - time.time_ns()) / 1e9
        used = time.thread_time() - used
        if used > FREE_SECONDS:
            self._rests_until = max(self._rests_until, time.monotonic() + used / SHARE_OF_A_CORE)
            again_ns = max(again_ns, after(used / SHARE_OF_A_CORE))
        standing = self.source.standing
        if not standing.message or standing.next_attempt_ns is None:  # a source that fails may know better
            standing.next_attempt_ns = again_ns
        return again_ns

    def _look(self) -> int:
        if self._watch is None:
            parameters = self.source.resolve()
            self._watch = self._watcher.open(parameters, self.source.context)
        if self._events is None:
            due_ns = self._watch.due_ns()
            if due_ns > time.time_ns():
                return due_ns
            self._events = self._watch.look()
        ends = time.monotonic() + LONGEST_TURN_SECONDS
        while time.monotonic() < ends and not self.source.context.stopping.is_set():
            if self._pending is None:
                self._pending = next(self._events, None)
                if self._pending is None:
                    self._events = None
                    return self._watch.due_ns()
            try:
                self.source.hand_over(self._pending)
            except JournalError as fault:
                return after(self.source.wait_for_journal(fault))
            self._pending = None
            seconds = self.source.pace.take()
            if seconds:
                return after(seconds)
        return time.time_ns()

    def _forget(self) -> None:
        """Leave the look where it is: what was not acknowledged comes again, with the same id."""
        self._watch = self._events = self._pending = None


def after(seconds: float) -> int:
    """So many seconds from now."""
    return time.time_ns() + int(seconds * 1e9)
