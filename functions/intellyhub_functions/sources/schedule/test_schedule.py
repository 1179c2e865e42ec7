"""The schedule source: when it fires and when it does not."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.source import MemoryCursors
from intellyhub_functions.sources.schedule.schedule import find_due, listen
from intellyhub_functions.sources.schedule.times import make_schedule
from intellyhub_functions.testing.surroundings import make_context

NOON = datetime(2025, 3, 29, 12, tzinfo=UTC)


def at(moment):
    return lambda: int(moment.timestamp() * 1e9)


def due(parameters, now, tmp_path, last=None):
    cursors = MemoryCursors()
    if last is not None:
        cursors.put("schedule", last.isoformat())
    return find_due(make_schedule(parameters), parameters, make_context(tmp_path, cursors=cursors, now_ns=at(now)))


def test_cron_is_read_in_its_time_zone_also_when_summer_time_begins(tmp_path):
    daily = {"cron": "0 8 * * *", "timezone": "Europe/Rome"}
    assert due(daily, NOON - timedelta(days=1), tmp_path) == datetime(2025, 3, 29, 7, tzinfo=UTC)
    assert due(daily, NOON, tmp_path) == datetime(2025, 3, 30, 6, tzinfo=UTC)


def test_an_interval_counts_from_the_last_time_not_from_now(tmp_path):
    last = NOON - timedelta(minutes=7)
    assert due({"every": "5m"}, NOON, tmp_path, last) == NOON + timedelta(minutes=3)
    assert due({"every": 60}, NOON, tmp_path) == NOON + timedelta(minutes=1)


def test_a_time_that_fired_does_not_fire_again_after_a_restart(tmp_path):
    assert due({"cron": "0 12 * * *"}, NOON, tmp_path, last=NOON) == NOON + timedelta(days=1)


@pytest.mark.parametrize("schedule", [{"cron": "0 * * * *"}, {"every": "1h"}])
def test_missed_times_are_left_out_or_made_up_for_once(tmp_path, schedule):
    last = NOON - timedelta(hours=5, minutes=0)
    now = NOON + timedelta(minutes=10)
    assert due(schedule, now, tmp_path, last) == NOON + timedelta(hours=1)
    assert due({**schedule, "catch_up": True}, now, tmp_path, last) == NOON


def test_a_time_that_came_while_the_last_run_was_at_work_is_on_time(tmp_path):
    now = NOON + timedelta(seconds=0.4)
    assert due({"every": 60}, now, tmp_path, last=NOON - timedelta(minutes=1)) == NOON


def test_it_fires_at_every_interval_with_the_due_time_as_id(tmp_path):
    context = make_context(tmp_path)
    events = listen({"every": 0.05, "payload": {"a": 1}}, context)
    first, second = next(events), next(events)
    assert first.id != second.id
    gap = datetime.fromisoformat(second.data["scheduled_at"]) - datetime.fromisoformat(first.data["scheduled_at"])
    assert gap.total_seconds() % 0.05 == pytest.approx(0, abs=1e-6) or gap.total_seconds() % 0.05 == pytest.approx(0.05)
    assert first.data["payload"] == {"a": 1}


def test_it_ends_when_it_has_to(tmp_path):
    context = make_context(tmp_path)
    context.stopping.set()
    assert list(listen({"every": "1h"}, context)) == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "either cron or every"),
        ({"cron": "* * * * *", "every": 5}, "either cron or every"),
        ({"cron": "61 * * * *"}, "names no times"),
        ({"cron": "0 0 30 2 *"}, "names no times"),
        ({"every": "soon"}, "not an interval"),
        ({"every": 5, "timezone": "Rome"}, "not one such as Europe/Rome"),
        ({"every": 5, "timezone": "../../etc/passwd"}, "not one such as Europe/Rome"),
    ],
)
def test_what_is_no_schedule_is_refused(parameters, message):
    with pytest.raises(PermanentError, match=message):
        make_schedule(parameters)


@given(
    seconds=st.integers(1, 10**6),
    passed=st.integers(0, 10**8),
)
def test_the_next_time_of_an_interval_is_after_now_and_within_one_interval(seconds, passed):
    schedule = make_schedule({"every": seconds})
    last = NOON
    now = last + timedelta(seconds=passed)
    found = schedule.after(now, last=last)
    assert now < found <= now + timedelta(seconds=seconds)
    assert (found - last) % timedelta(seconds=seconds) == timedelta()
