"""Which statuses count as a success."""

from __future__ import annotations

from typing import Any

from intellyhub_engine.errors import PermanentError

__all__ = ["is_expected"]


def is_expected(status: int, expected: Any) -> bool:
    """Whether the status is among `expected`: numbers, "2xx", or a list of those; None is every status below 400."""
    if expected is None or expected == []:
        return status < 400
    patterns = expected if isinstance(expected, list | tuple) else str(expected).split(",")
    return any(fits(status, str(pattern).strip().lower()) for pattern in patterns)


def fits(status: int, pattern: str) -> bool:
    """Whether a status fits `404` or `4xx`."""
    if len(pattern) != 3 or not pattern.replace("x", "0").isdigit():
        raise PermanentError(f"expected names {pattern!r}; a status is written as 404 or 4xx")
    return all(wanted in ("x", digit) for wanted, digit in zip(pattern, str(status), strict=False))
