"""The schedule source: when it fires and when it does not."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.source import MemoryCursors
from intellyhub_functions.sources.schedule.schedule import Ticks, listen
from intellyhub_functions.sources.schedule.times import make_schedule
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.surroundings import make_context

NOON = datetime(2025, 3, 29, 12, tzinfo=UTC)


def at(moment):
    return lambda: int(moment.timestamp() * 1e9)


class Clock:
    """A clock that a test sets."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return int(self.now.timestamp() * 1e9)


def ticks(parameters, now, tmp_path, last=None):
    cursors = MemoryCursors()
    if last is not None:
        cursors.put("schedule", last.isoformat())
    return Ticks(parameters, make_context(tmp_path, cursors=cursors, now_ns=now if callable(now) else at(now)))


def due(parameters, now, tmp_path, last=None):
    return due_of(ticks(parameters, now, tmp_path, last))


def due_of(found):
    return datetime.fromtimestamp(found.due_ns() / 1e9, UTC)


def times(cron, start, count, zone="Europe/Rome"):
    schedule, found = make_schedule({"cron": cron, "timezone": zone}), [start]
    for _ in range(count):
        found.append(schedule.after(found[-1], last=found[-1]))
    return [moment.strftime("%d %H:%M:%S") for moment in found[1:]]


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


def test_a_restart_over_a_due_time_skips_it_not_even_the_first(tmp_path):
    cursors, clock = MemoryCursors(), Clock(NOON - timedelta(seconds=2))
    Ticks({"cron": "0 12 * * *"}, make_context(tmp_path, cursors=cursors, now_ns=clock))
    clock.now = NOON + timedelta(seconds=3)
    [event] = Ticks({"cron": "0 12 * * *"}, make_context(tmp_path, cursors=cursors, now_ns=clock)).look()
    assert event.data["scheduled_at"] == NOON.isoformat()


def test_a_restart_over_several_due_times_skips_none_of_them(tmp_path):
    cursors, clock = MemoryCursors(), Clock(NOON)
    cursors.put("schedule", (NOON - timedelta(seconds=3)).isoformat())
    watch = Ticks({"cron": "* * * * * *"}, make_context(tmp_path, cursors=cursors, now_ns=clock))
    found = [event.id for _ in range(3) for event in watch.look()]
    assert found == [(NOON - timedelta(seconds=late)).isoformat() for late in (2, 1, 0)]
    assert due_of(watch) == NOON + timedelta(seconds=1)


def test_a_kill_between_the_event_and_its_place_repeats_it_with_the_same_id(tmp_path):
    cursors, clock = MemoryCursors(), Clock(NOON - timedelta(seconds=2))
    watch = Ticks({"cron": "0 12 * * *"}, make_context(tmp_path, cursors=cursors, now_ns=clock))
    clock.now = NOON
    first = next(watch.look())  # never asked for the next: not known to be safe
    [again] = Ticks({"cron": "0 12 * * *"}, make_context(tmp_path, cursors=cursors, now_ns=clock)).look()
    assert again.id == first.id
    assert due({"cron": "0 12 * * *"}, clock, tmp_path, last=datetime.fromisoformat(cursors.get("schedule"))) > NOON


def test_a_machine_that_slept_leaves_out_what_passed(tmp_path):
    clock = Clock(NOON - timedelta(minutes=1))
    watch = ticks({"cron": "0 * * * *"}, clock, tmp_path)
    clock.now = NOON + timedelta(hours=2, minutes=30)
    assert list(watch.look()) == []
    assert due_of(watch) == NOON + timedelta(hours=3)


@pytest.mark.parametrize(("schedule", "following"), [({"cron": "0 12 * * *"}, 24), ({"every": "1h"}, 1)])
def test_a_clock_that_is_set_back_fires_no_time_twice(tmp_path, schedule, following):
    clock = Clock(NOON - timedelta(hours=1))
    watch = ticks(schedule, clock, tmp_path)
    clock.now = NOON
    assert len(list(watch.look())) == 1
    clock.now = NOON - timedelta(minutes=30)
    assert due_of(watch) == (clock.now if "every" in schedule else NOON) + timedelta(hours=following)


@pytest.mark.parametrize("schedule", [{"cron": "0 * * * *"}, {"every": "1h"}])
def test_times_that_a_wrong_clock_fired_in_the_future_do_not_stop_it_for_ever(tmp_path, schedule):
    assert due(schedule, NOON, tmp_path, last=NOON + timedelta(days=3650)) == NOON + timedelta(hours=1)


def test_many_missed_times_are_passed_over_at_once(tmp_path):
    every_second = {"cron": "* * * * * *", "catch_up": True}
    assert due(every_second, NOON, tmp_path, last=NOON - timedelta(days=3650)) == NOON


def test_when_summer_time_begins_a_time_that_is_left_out_fires_when_clocks_go_on():
    assert times("30 2 * * *", datetime(2025, 3, 29, 12, tzinfo=UTC), 2) == ["30 01:00:00", "31 00:30:00"]


def test_when_summer_time_ends_a_named_hour_fires_once_and_every_hour_each_time():
    evening = datetime(2025, 10, 25, 12, tzinfo=UTC)
    assert times("30 2 * * *", evening, 2) == ["26 00:30:00", "27 01:30:00"]
    assert times("30 * * * *", evening.replace(hour=23), 4) == [
        "25 23:30:00",
        "26 00:30:00",
        "26 01:30:00",
        "26 02:30:00",
    ]
    assert times("0 */2 * * *", evening.replace(hour=23), 2) == ["26 00:00:00", "26 01:00:00"]


def test_six_fields_begin_with_the_second():
    assert times("*/20 0 * * * *", NOON, 4, "UTC") == ["29 12:00:20", "29 12:00:40", "29 13:00:00", "29 13:00:20"]


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
        ({"cron": "0 0 * * * * 2030"}, "five fields, or six"),
        ({"cron": "R 2 * * *"}, "others after a restart"),
        ({"cron": "0 h(1-3) * * *"}, "others after a restart"),
        ({"every": 1e300}, "not an interval"),
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


def test_the_example_keeps_what_the_sample_says(tmp_path):
    run_example(Path(__file__).parent, tmp_path)
    assert "{" not in (tmp_path / "seen.txt").read_text()
