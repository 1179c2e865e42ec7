"""When PingSources tick: never too seldom, and in words that every cron reads alike."""

from datetime import UTC, datetime, timedelta

import pytest
from croniter import croniter

from intellyhub_functions.sources.schedule.times import make_schedule
from intellyhub_knative.platform.sources.ticking import EVERY_MINUTE, cron_of_interval, cron_of_schedule

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def ticks(cron, begin=BEGIN):
    return croniter(cron, begin, second_at_beginning=True)


def is_tick(cron, moment):
    return ticks(cron, moment - timedelta(seconds=1)).get_next(datetime) == moment


@pytest.mark.parametrize("zone", ["UTC", "Europe/Rome", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
@pytest.mark.parametrize(
    "cron",
    [
        "30 9 * * 1-5",
        "*/7 1,23 * * *",
        "0 0 31 * *",
        "15 2 * * 7",
        "0 12 L * *",
        "0 8 1 * 1",
        "0 6 * * sun#1",
        "@daily",
        "10 30 9 * * *",
        "5 4 * jan-mar mon",
        "59 23 28-31 * *",
    ],
)
def test_every_time_of_a_schedule_is_ticked(cron, zone):
    ticked = cron_of_schedule(cron, zone)
    schedule = make_schedule({"cron": cron, "timezone": zone})
    due, seen = BEGIN, 0
    while seen < 300 and due < datetime(2027, 1, 1, tzinfo=UTC):
        due = schedule.after(due, last=None)
        assert is_tick(ticked, due), (ticked, due)
        seen += 1
    assert seen


@pytest.mark.parametrize("cron", ["61 * * * *", "a b c d e", "* *", "", "5-1 * * * *", "*/0 * * * *", "1-2-3 * * * *"])
def test_what_cannot_be_read_is_ticked_every_minute(cron):
    assert cron_of_schedule(cron, "UTC") == EVERY_MINUTE


def test_an_unknown_zone_is_ticked_every_minute():
    assert cron_of_schedule("0 9 * * *", "Nowhere/Land") == EVERY_MINUTE


def test_a_plain_schedule_in_utc_is_ticked_at_its_times_and_half_a_minute_later():
    assert cron_of_schedule("30 9 * * 1-5", "UTC") == "0,30 30 9 * * 1-5"


@pytest.mark.parametrize("dates", ["* * 7", "L * *", "* * sun", "1 * 1", "0 * *"])
def test_dates_that_crons_disagree_about_are_left_to_the_poller(dates):
    assert cron_of_schedule(f"30 9 {dates}", "UTC") == "0,30 30 9 * * *"


def test_a_schedule_that_fires_all_the_time_is_not_ticked():
    assert cron_of_schedule("*/5 * * * * *", "UTC") is None
    assert cron_of_schedule("*/10 * * * * *", "UTC") is not None


@pytest.mark.parametrize("seconds", [10, 12, 60, 90, 300, 420, 3600, 25_200, 86_400, 172_800])
def test_an_interval_that_can_be_divided_ends_with_a_tick(seconds):
    times = ticks(cron_of_interval(seconds, "some flow"))
    first = times.get_next(datetime)
    found = first
    while found - first < timedelta(seconds=seconds):
        found = times.get_next(datetime)
    assert found - first == timedelta(seconds=seconds)


def test_other_intervals_are_ticked_more_often():
    times = ticks(cron_of_interval(3601, "some flow", on_time=True))
    gaps = {times.get_next(datetime) for _ in range(100)}
    assert max(b - a for a, b in zip(sorted(gaps), sorted(gaps)[1:], strict=False)) == timedelta(seconds=30)


def test_flows_are_spread_over_the_interval():
    assert len({cron_of_interval(300, f"flow {n}") for n in range(200)}) > 100


def test_very_short_intervals_are_not_ticked():
    assert cron_of_interval(9.9, "some flow") is None
