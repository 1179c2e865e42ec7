"""When a PingSource ticks: cron expressions of six fields in UTC that are never too seldom. Pure; no clock is read.

Six fields, with the seconds first, are what stock PingSources take (seen with Knative Eventing 1.22). They check a time
zone against the zones of their webhook's image, which may have none: so none is ever given. What cron's dialects
disagree about (`L`, `#`, 7 for Sunday) never reaches them either.
"""

from __future__ import annotations

import functools
import hashlib
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

__all__ = ["LEAST_SECONDS", "cron_of_interval", "cron_of_schedule"]

LEAST_SECONDS = 10
"""Ticks that come more often would keep the poller awake for good."""
MOST_TICKS_A_MINUTE = 60 // LEAST_SECONDS
MINUTE, HOUR, DAY = 60, 3600, 86_400
MINUTES_OF_DAY = 24 * 60
PERIODS = (
    *(10, 12, 15, 20, 30, MINUTE),
    *(each * MINUTE for each in (2, 3, 4, 5, 6, 10, 12, 15, 20, 30)),
    *(each * HOUR for each in (1, 2, 3, 4, 6, 8, 12)),
    DAY,
)
"""What cron can say without a jolt at the end of a minute, an hour or a day."""
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
SECOND_CHANCE_SECONDS = 30
"""A tick is made once; the one after it finds what the first one missed, and a poller that is still awake."""
EVERY_MINUTE = "0 * * * * *"
SAMPLE_YEARS = range(2025, 2033)
"""In which a zone's offsets are looked up: summer time, and hemispheres."""


def cron_of_interval(seconds: float, name: str, *, on_time: bool = False) -> str | None:
    """Ticks for an interval: one that divides it, else one that is shorter; `on_time`: much shorter, so that no tick is
    long after its time. They are spread by the `name`, so that not all flows are looked at in the same second. None for
    an interval of less than ten seconds."""
    whole = int(seconds)
    if whole < LEAST_SECONDS:
        return None
    dividing = [period for period in PERIODS if whole == seconds and whole % period == 0]
    most = min(whole, SECOND_CHANCE_SECONDS) if on_time else whole
    period = max(dividing or [period for period in PERIODS if period <= most])
    at = int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") % period
    second, minute, hour = at % MINUTE, at // MINUTE % 60, at // HOUR
    if period < MINUTE:
        return f"{second}-59/{period} * * * * *"
    if period < HOUR:
        return f"{second} {every(minute, 59, period // MINUTE)} * * * *"
    return f"{second} {minute} {every(hour, 23, period // HOUR)} * * *"


def cron_of_schedule(cron: str, zone: str) -> str | None:
    """Ticks for a schedule in a time zone: at each of its times, and perhaps at others. None for one that fires more
    often than every ten seconds. What cannot be read is ticked every minute: the poller says what is wrong with it."""
    fields = NICKNAMES.get(cron.strip().lower(), cron).split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) != 6:
        return EVERY_MINUTE
    try:
        seconds, minutes = values_of(fields[0], 0, 59), values_of(fields[1], 0, 59)
        hours = values_of(fields[2], 0, 23)
        offsets, leaps = look_up(zone)
    except (ValueError, KeyError, OSError):
        return EVERY_MINUTE
    if len(seconds) > MOST_TICKS_A_MINUTE:
        return None
    if len(seconds) == 1:
        seconds |= {(next(iter(seconds)) + SECOND_CHANCE_SECONDS) % MINUTE}
    shown = {hour * 60 + minute for hour in hours for minute in minutes}
    moments = {(each - offset) % MINUTES_OF_DAY for each in shown for offset in offsets}
    moments |= {leap.at for leap in leaps if shown & leap.skipped}
    if leaps:
        seconds |= {0}
    dates = fields[3:] if offsets == {0} and are_plain(fields[3:]) else ["*", "*", "*"]
    times = (seconds, 59), ({each % 60 for each in moments}, 59), ({each // 60 for each in moments}, 23)
    return " ".join([*(written(values, last) for values, last in times), *dates])


def every(first: int, last: int, step: int) -> str:
    """A field that begins at `first`."""
    if step > last:
        return str(first)
    return f"{first}-{last}/{step}" if step > 1 else "*"


def values_of(field: str, least: int, last: int) -> set[int]:
    """What a field of numbers names. Raises `ValueError` for what is none."""
    named: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        begin, dash, end = span.partition("-")
        if span == "*":
            begin, dash, end = str(least), "-", str(last)
        first = number_of(begin)
        until = number_of(end) if dash else last if slash else first
        if not least <= first <= until <= last or (slash and number_of(step) < 1):
            raise ValueError(f"{part!r} is not within {least}-{last}")
        named.update(range(first, until + 1, number_of(step) if slash else 1))
    return named


def number_of(digits: str) -> int:
    """A number of cron."""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 4):
        raise ValueError(f"{digits!r} is not a number")
    return int(digits)


class Leap(NamedTuple):
    """Clocks that go forward: what they skip fires when they do."""

    at: int
    """The minute of the day, UTC."""
    skipped: frozenset[int]
    """The minutes of the day that they do not show."""


@functools.lru_cache(maxsize=64)
def look_up(zone: str) -> tuple[frozenset[int], frozenset[Leap]]:
    """The offsets from UTC that a zone has, in minutes, and when it leaps. Raises `KeyError`, `ValueError` or `OSError`
    for what is no zone."""
    if zone == "UTC":
        return frozenset({0}), frozenset()
    found = ZoneInfo(zone)
    months = [datetime(year, month, 1, tzinfo=UTC) for year in SAMPLE_YEARS for month in range(1, 13)]
    offsets = [offset_of(found, month) for month in months]
    leaps = {
        find_leap(found, begin, end)
        for begin, end, before, after in zip(months, months[1:], offsets, offsets[1:], strict=False)
        if after > before
    }
    return frozenset(offsets), frozenset(leaps)


def offset_of(zone: ZoneInfo, moment: datetime) -> int:
    """How many minutes the zone's clocks go before UTC."""
    return int((moment.astimezone(zone).utcoffset() or timedelta()).total_seconds()) // MINUTE


def find_leap(zone: ZoneInfo, begin: datetime, end: datetime) -> Leap:
    """Between two moments of different offsets, the minute in which that changes."""
    before, after = offset_of(zone, begin), offset_of(zone, end)
    while end - begin > timedelta(minutes=1):
        middle = begin + timedelta(minutes=(end - begin) // timedelta(minutes=2))
        begin, end = (middle, end) if offset_of(zone, middle) == before else (begin, middle)
    at = end.hour * 60 + end.minute
    return Leap(at, frozenset(each % MINUTES_OF_DAY for each in range(at + before, at + after)))


def are_plain(dates: list[str]) -> bool:
    """Whether every cron reads day, month and weekday alike: numbers, of which 7 is no day; and not a day of the month
    beside one of the week, of which either is enough for some."""
    if dates[0] != "*" and dates[2] != "*":
        return False
    try:
        for field, least, last in zip(dates, (1, 1, 0), (31, 12, 6), strict=True):
            values_of(field, least, last)
    except ValueError:
        return False
    return True


def written(values: set[int], last: int) -> str:
    """A set of numbers as a field."""
    return "*" if len(values) == last + 1 else ",".join(map(str, sorted(values)))
