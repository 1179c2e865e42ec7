"""When a schedule is due: cron's fields in a time zone, or an interval."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.durations import seconds_of
from intellyhub_engine.language.spelling import did_you_mean
from intellyhub_engine.language.values.values import text_of

if TYPE_CHECKING:
    from croniter import croniter

__all__ = ["Schedule", "examine", "make_schedule"]

ONE_OF_TWO = "a schedule needs either cron or every"
NO_INTERVAL = "not an interval such as 90s, 5m, 2h or 1d"
MIN_INTERVAL_SECONDS = 0.05
MAX_INTERVAL_SECONDS = 100 * 366 * 86400.0
EVERY_HOUR = re.compile(r"[*?/-]")
RANDOM = re.compile(r"(^|[\s,])[RH](?![A-Z])", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Exactly one of `cron` and `interval` is given."""

    cron: str | None
    zone: ZoneInfo
    interval: timedelta | None

    def after(self, moment: datetime, *, last: datetime | None) -> datetime:
        """The first due time after `moment`. An interval counts from the `last` due time, else from `moment`."""
        if self.interval is not None:
            anchor = last if last is not None and last <= moment else moment
            return anchor + self.interval * ((moment - anchor) // self.interval + 1)
        times = self._times(moment)
        while self._is_repeated(found := times.get_next(datetime).astimezone(UTC)):
            pass
        return found

    def until(self, moment: datetime, *, last: datetime) -> datetime:
        """The last due time that is not after `moment`; an interval counts from the `last` due time."""
        if self.interval is not None:
            return last + self.interval * ((moment - last) // self.interval)
        times = self._times(moment + timedelta(seconds=1))
        while (found := times.get_prev(datetime).astimezone(UTC)) > moment or self._is_repeated(found):
            pass
        return found

    def _times(self, moment: datetime) -> croniter:
        from croniter import croniter

        return croniter(self.cron or "", moment.astimezone(self.zone), second_at_beginning=True)

    def _is_repeated(self, found: datetime) -> bool:
        """Whether this is the second time that clocks show this hour, as summer time ends, and the schedule names the
        hour: it fired at the first. One that fires every hour goes on by the hours that pass, as cron(8) does."""
        return found.astimezone(self.zone).fold == 1 and not EVERY_HOUR.search(hours_of(self.cron or ""))


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """What a schedule as written can never be."""
    cron, every = text_of(known.get("cron")).strip(), known.get("every")
    if not {"cron", "every"} & set(unknown) and bool(cron) == (every is not None):
        yield ParameterFault(("every",) if cron else (), ONE_OF_TWO)
    if every is not None and interval_of(every) is None:
        yield ParameterFault(("every",), f"every is {every!r}, {NO_INTERVAL}")
    for name, value, check in (("cron", cron, check_cron), ("timezone", text_of(known.get("timezone")), make_zone)):
        if value:
            try:
                check(value)
            except PermanentError as fault:
                yield ParameterFault((name,), str(fault), nearest_zone(value) if name == "timezone" else None)


def nearest_zone(name: str) -> str | None:
    """The zone in the same part of the world that looks most like it."""
    part = name.partition("/")[0].lower() + "/"
    zones = available_timezones()
    return did_you_mean(name, [zone for zone in zones if zone.lower().startswith(part)] or ["UTC", "GMT"])


def make_schedule(parameters: Mapping[str, Any]) -> Schedule:
    """The schedule that the parameters describe; raises PermanentError where they describe none."""
    cron, every = text_of(parameters.get("cron")).strip(), parameters.get("every")
    if bool(cron) == (every is not None):
        raise PermanentError(ONE_OF_TWO)
    seconds = None if cron else interval_of(every)
    if not cron and seconds is None:
        raise PermanentError(f"every is {every!r}, {NO_INTERVAL}")
    if cron:
        check_cron(cron)
    zone = make_zone(text_of(parameters.get("timezone") or "UTC"))
    return Schedule(cron=cron or None, zone=zone, interval=None if seconds is None else timedelta(seconds=seconds))


def interval_of(every: Any) -> float | None:
    """Seconds; None for what is no interval, or one that nobody can mean."""
    seconds = seconds_of(every)
    return seconds if seconds is not None and MIN_INTERVAL_SECONDS <= seconds <= MAX_INTERVAL_SECONDS else None


def hours_of(cron: str) -> str:
    """The field of the hour."""
    if cron.startswith("@"):
        return "*" if cron.lower() == "@hourly" else "0"
    return cron.split()[-4]


def check_cron(cron: str) -> None:
    from croniter import CroniterError, croniter

    if not cron.startswith("@") and len(cron.split()) not in (5, 6):
        raise PermanentError(f"cron is {cron!r}: there are five fields, or six with the seconds first")
    if RANDOM.search(cron):
        raise PermanentError(f"cron is {cron!r}: R and H stand for random times, which would be others after a restart")
    try:
        croniter(cron, datetime.now(UTC), second_at_beginning=True).get_next()
    except (CroniterError, ValueError) as fault:
        raise PermanentError(f"cron is {cron!r}, which names no times: {fault}") from fault


def make_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as fault:
        raise PermanentError(f"timezone is {name!r}, not one such as Europe/Rome") from fault
