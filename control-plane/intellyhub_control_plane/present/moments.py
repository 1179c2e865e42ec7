"""Times of the journal, which counts nanoseconds, as times of the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["moment_of", "moment_or_none", "nanoseconds"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NANOSECONDS_PER_MICROSECOND = 1000
LAST_NS = 2**63 - 1


def moment_of(time_ns: int) -> datetime:
    """A moment from Unix nanoseconds."""
    return EPOCH + timedelta(microseconds=time_ns // NANOSECONDS_PER_MICROSECOND)


def moment_or_none(time_ns: int | None) -> datetime | None:
    """A moment, where there is one."""
    return None if time_ns is None else moment_of(time_ns)


def nanoseconds(moment: datetime) -> int:
    """Unix nanoseconds of a moment; of one before or after what the journal can count, the first or last of those."""
    counted = (moment - EPOCH) // timedelta(microseconds=1) * NANOSECONDS_PER_MICROSECOND
    return max(-LAST_NS, min(counted, LAST_NS))
