"""How long to wait before a process is started again. Pure: times come in as arguments."""

from __future__ import annotations

__all__ = ["FIRST_PAUSE_SECONDS", "HEALTHY_SECONDS", "LONGEST_PAUSE_SECONDS", "Backoff"]

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
HEALTHY_SECONDS = 30.0
"""A process that lived so long begins anew with the shortest pause."""


class Backoff:
    """Counts failures in a row; each pause is twice as long as the one before."""

    def __init__(self) -> None:
        self.failures = 0

    def next_pause(self, lived_seconds: float) -> float:
        """The pause after a process has ended that lived so long."""
        if lived_seconds >= HEALTHY_SECONDS:
            self.failures = 0
        self.failures += 1
        return min(FIRST_PAUSE_SECONDS * 2.0 ** min(self.failures - 1, 30), LONGEST_PAUSE_SECONDS)
