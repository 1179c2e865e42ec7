"""When a post is to appear, in every form that published flows write it (FLOW_LANGUAGE section 4.8)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of

__all__ = ["read_time"]

FORMATS = ("%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S")


def read_time(written: Any, timezone: Any = None) -> int:
    """Seconds since 1970. A time without a zone is one of `timezone`, else of this machine. Raises PermanentError."""
    if isinstance(written, datetime):
        return seconds_of(written, timezone)
    text = text_of(written).strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return int(float(text))
    try:
        return seconds_of(datetime.fromisoformat(text), timezone)
    except ValueError:
        pass
    for form in FORMATS:
        try:
            return seconds_of(datetime.strptime(text, form), timezone)  # noqa: DTZ007 - its zone is decided there
        except ValueError:
            continue
    raise PermanentError(
        f"scheduled_publish_time is {text!r}; write it as 2030-01-31T09:30:00, 31/01/2030 09:30 or in Unix seconds"
    )


def seconds_of(moment: datetime, timezone: Any) -> int:
    """Seconds since 1970 of a moment."""
    name = text_of(timezone).strip()
    if moment.tzinfo is None and name:
        try:
            moment = moment.replace(tzinfo=ZoneInfo(name))
        except (ZoneInfoNotFoundError, ValueError) as fault:
            raise PermanentError(f"timezone is {name!r}, and must be one such as Europe/Rome") from fault
    try:
        return int(moment.timestamp())
    except (OverflowError, OSError) as fault:
        raise PermanentError("scheduled_publish_time is out of range") from fault
