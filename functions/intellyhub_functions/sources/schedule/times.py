"""When a schedule is due: cron's fields in a time zone, or an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.durations import seconds_of
from intellyhub_engine.language.values.values import text_of

__all__ = ["Schedule", "make_schedule"]

MIN_INTERVAL_SECONDS = 0.05


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
        from croniter import croniter

        found = croniter(self.cron or "", moment.astimezone(self.zone), ret_type=datetime).get_next(datetime)
        return found.astimezone(UTC)


def make_schedule(parameters: Mapping[str, Any]) -> Schedule:
    """The schedule that the parameters describe; raises PermanentError where they describe none."""
    cron, every = text_of(parameters.get("cron")).strip(), parameters.get("every")
    if bool(cron) == (every is not None):
        raise PermanentError("a schedule needs either cron or every")
    seconds = None if cron else seconds_of(every)
    if not cron and (seconds is None or seconds < MIN_INTERVAL_SECONDS):
        raise PermanentError(f"every is {every!r}, not an interval such as 90s, 5m, 2h or 1d")
    if cron:
        check_cron(cron)
    zone = make_zone(text_of(parameters.get("timezone") or "UTC"))
    return Schedule(cron=cron or None, zone=zone, interval=None if seconds is None else timedelta(seconds=seconds))


def check_cron(cron: str) -> None:
    from croniter import CroniterError, croniter

    try:
        croniter(cron, datetime.now(UTC)).get_next()
    except (CroniterError, ValueError) as fault:
        raise PermanentError(f"cron is {cron!r}, which names no times: {fault}") from fault


def make_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as fault:
        raise PermanentError(f"timezone is {name!r}, not one such as Europe/Rome") from fault
