"""How a source stands, as it says itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Self

from intellyhub_engine.machine.source import Health

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

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """What `keep` gave, also if a newer version gave it."""
        standing = cls()
        vars(standing).update({name: value for name, value in kept.items() if name in vars(standing)})
        return standing

    def keep(self) -> Mapping[str, Any]:
        """For JSON, so that it outlives the process."""
        return dict(vars(self))

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
