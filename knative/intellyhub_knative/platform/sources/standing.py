"""How a source stands: what the console shows of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.machine.source import Health
from intellyhub_knative.platform.moments import moment_or_none

__all__ = ["Standing"]

MAX_MESSAGE = 500


class Standing:
    """Written by the thread that listens, read by whoever asks. Times are Unix nanoseconds."""

    def __init__(self) -> None:
        self.connected = False
        self.message = "starting"
        self.last_contact_ns: int | None = None
        self.last_event_ns: int | None = None
        self.next_attempt_ns: int | None = None
        self.events = 0
        self.restarts = 0

    def report(self, health: Health) -> None:
        """What the source tells of its last contact."""
        now_ns = time.time_ns()
        self.connected = health.connected
        self.message = health.message[:MAX_MESSAGE]
        if health.connected:
            self.last_contact_ns = now_ns
        seconds = health.next_attempt_seconds
        self.next_attempt_ns = None if seconds is None else now_ns + int(seconds * 1e9)

    def note_event(self) -> None:
        """An event is stored."""
        self.events += 1
        self.last_event_ns = time.time_ns()

    def fail(self, message: str, again_seconds: float) -> None:
        """The source itself broke, and is begun again."""
        self.restarts += 1
        self.report(Health(connected=False, message=message, next_attempt_seconds=again_seconds))

    def show(self) -> Mapping[str, Any]:
        """For JSON. `lag_seconds`: how long the next look is overdue."""
        late_ns = 0 if self.next_attempt_ns is None else time.time_ns() - self.next_attempt_ns
        return {
            "connected": self.connected,
            "message": self.message,
            "last_contact_at": moment_or_none(self.last_contact_ns),
            "last_event_at": moment_or_none(self.last_event_ns),
            "next_attempt_at": moment_or_none(self.next_attempt_ns),
            "lag_seconds": round(max(late_ns, 0) / 1e9, 3),
            "events": self.events,
            "restarts": self.restarts,
        }
