"""Times as the API writes them: RFC 3339, UTC, with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["moment", "moment_or_none"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(time_ns: int) -> str:
    """Unix nanoseconds as text."""
    instant = EPOCH + timedelta(microseconds=time_ns // 1000)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_or_none(time_ns: int | None) -> str | None:
    """Likewise; None for never."""
    return None if time_ns is None else moment(time_ns)
