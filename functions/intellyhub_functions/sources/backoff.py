"""How long a source waits after a failure."""

from __future__ import annotations

import random

from intellyhub_engine.errors import RetryableError
from intellyhub_engine.machine.source import Health, SourceContext

__all__ = ["Backoff"]

FIRST_SECONDS = 1.0
MOST_DOUBLINGS = 20
"""By then every limit is reached; the number of failures itself has none."""


class Backoff:
    """Waits that double from `first_seconds` to `most_seconds`, each shortened by up to a quarter by chance."""

    def __init__(
        self, context: SourceContext, *, first_seconds: float | None = None, most_seconds: float = 300.0
    ) -> None:
        self._context = context
        self._first_seconds = FIRST_SECONDS if first_seconds is None else first_seconds
        self._most_seconds = most_seconds
        self._failures = 0

    def succeed(self) -> None:
        """Report a contact; the next failure waits shortly again."""
        if self._failures:
            self._context.log("info", f"in contact again after {self._failures} failures")
        self._failures = 0
        self._context.report(Health(connected=True))

    def fail(self, failure: RetryableError, name: str) -> bool:
        """Log and report a failure, then wait; True when the source has to end."""
        return self._context.sleep(self.note(failure, name))

    def note(self, failure: RetryableError, name: str) -> float:
        """Log and report a failure; the seconds to wait before the next try."""
        doubled = self._first_seconds * 2.0 ** min(self._failures, MOST_DOUBLINGS)
        seconds = min(doubled, self._most_seconds)
        seconds = max(seconds * random.uniform(0.75, 1.0), failure.retry_after_seconds or 0.0)
        self._failures += 1
        message = f"{name}: {failure}"
        self._context.log("error", f"{message}; next try in {seconds:.0f} s")
        self._context.report(Health(connected=False, message=message, next_attempt_seconds=seconds))
        return seconds
