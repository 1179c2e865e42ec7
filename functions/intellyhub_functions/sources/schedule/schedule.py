"""The `schedule` source: one event at every due time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import Health, SourceContext
from intellyhub_functions.sources.schedule.times import Schedule, make_schedule

__all__ = ["listen"]

EVENT_TYPE = "io.intellyhub.schedule.tick"
LOOK_SECONDS = 30.0
"""How often the clock is looked at, because it can be set."""


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """Wait and fire. The place is the last due time that fired: no time fires twice, also after a restart."""
    schedule = make_schedule(parameters)
    context.report(Health(connected=True))
    while not context.stopping.is_set():
        due = find_due(schedule, parameters, context)
        if wait_until(due, context):
            return
        yield make_event(due, parameters, context)
        context.cursors.put("schedule", due.isoformat())


def find_due(schedule: Schedule, parameters: Mapping[str, Any], context: SourceContext) -> datetime:
    """The next due time. What passed while nobody listened is left out; with `catch_up` the last of it is due now."""
    now = time_of(context)
    kept = context.cursors.get("schedule")
    last = datetime.fromisoformat(kept) if kept else None
    if last is None:
        return schedule.after(now, last=None)
    due = schedule.after(last, last=last)
    if due > now:
        return due
    return latest(schedule, due, now, last) if parameters.get("catch_up") else on_time(schedule, due, now, last)


def latest(schedule: Schedule, due: datetime, now: datetime, last: datetime) -> datetime:
    """The last due time that is not after `now`."""
    if schedule.interval is not None:
        return due + schedule.interval * ((now - due) // schedule.interval)
    while (following := schedule.after(due, last=last)) <= now:
        due = following
    return due


def on_time(schedule: Schedule, due: datetime, now: datetime, last: datetime) -> datetime:
    """The due time itself while it is fresh (its run took long), else the first one still to come."""
    return due if (now - due).total_seconds() < 1.0 else schedule.after(now, last=last)


def wait_until(due: datetime, context: SourceContext) -> bool:
    """Wait for a time; True when the source has to end."""
    while (seconds := (due - time_of(context)).total_seconds()) > 0:
        if context.sleep(min(seconds, LOOK_SECONDS)):
            return True
    return context.stopping.is_set()


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
