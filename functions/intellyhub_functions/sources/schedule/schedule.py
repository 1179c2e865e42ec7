"""The `schedule` source: one event at every due time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import Health, SourceContext
from intellyhub_engine.machine.watch import Watcher
from intellyhub_functions.sources.schedule.times import Schedule, make_schedule

__all__ = ["Ticks", "listen"]

EVENT_TYPE = "io.intellyhub.schedule.tick"
PLACE = "schedule"
ON_TIME = timedelta(minutes=1)
"""A time that passed no longer ago still fires: a restart, or a run that takes long, skips none."""
WRONG_CLOCK = timedelta(hours=1)
"""A time that fired further in the future than this fired by a clock that was wrong."""


class Ticks:
    """The times of one schedule. Its place is the last time that fired, at first the moment of the first contact: no
    time fires twice and none is skipped, also over a restart."""

    def __init__(self, parameters: Mapping[str, Any], context: SourceContext) -> None:
        self._schedule = make_schedule(parameters)
        self._parameters = parameters
        self._context = context
        kept = context.cursors.get(PLACE)
        self._last = time_of(context) if kept is None else datetime.fromisoformat(kept)
        if kept is None:
            context.cursors.put(PLACE, self._last.isoformat())
        self._found_at = time_of(context)
        self._due = self._find()
        context.report(Health(connected=True))

    def due_ns(self) -> int:
        """When the next time fires."""
        if time_of(self._context) < self._found_at:  # the clock was set back
            self._due = self._find()
        return int(self._due.timestamp() * 1e9)

    def look(self) -> Iterator[Event]:
        """The event of the time that is due; nothing where it has long passed, as on a machine that slept."""
        now = time_of(self._context)
        if now - self._due > ON_TIME:
            self._due = self._find()
        if self._due <= now:
            yield make_event(self._due, self._parameters, self._context)
            self._context.cursors.put(PLACE, self._due.isoformat())
            self._last = self._due
            self._context.report(Health(connected=True))
        self._due = self._find()

    def _find(self) -> datetime:
        now = self._found_at = time_of(self._context)
        if self._last > now + WRONG_CLOCK or (self._schedule.interval is not None and self._last > now):
            self._context.log("warning", f"the clock was set back: times are counted from {now.isoformat()} again")
            self._last = now
        return find_due(self._schedule, self._last, now, catch_up=bool(self._parameters.get("catch_up")))


def find_due(schedule: Schedule, last: datetime, now: datetime, *, catch_up: bool) -> datetime:
    """The next due time after the one that fired `last`, also one that has just passed. What passed before that, while
    nobody listened, is left out; with `catch_up` the last of it is due now."""
    due = schedule.after(last, last=last)
    if now - due <= ON_TIME:
        return due
    latest = schedule.until(now, last=last)
    return latest if catch_up or now - latest <= ON_TIME else schedule.after(now, last=last)


listen = Watcher(Ticks, quick=True)


def time_of(context: SourceContext) -> datetime:
    return datetime.fromtimestamp(context.now_ns() / 1e9, UTC)


def make_event(due: datetime, parameters: Mapping[str, Any], context: SourceContext) -> Event:
    """The event of a due time, which is also its id."""
    return Event(
        id=due.isoformat(),
        source=context.address,
        type=EVENT_TYPE,
        time=due.isoformat(),
        datacontenttype="application/json",
        data={
            "scheduled_at": due.isoformat(),
            "fired_at": time_of(context).isoformat(),
            "payload": parameters.get("payload"),
        },
    )
