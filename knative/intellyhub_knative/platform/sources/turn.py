"""One turn of a source that is looked at now and then: from where the last one ended until the source would rest.

Whatever a source does to wait for news, by itself it would go on for ever. Here its wish to rest ends the turn; one
that waits at the other end's door instead is ended when it has heard nothing for a moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import Health, Listen, SourceContext
from intellyhub_engine.serving.pace import Pace

__all__ = [
    "OVERTIME_SECONDS",
    "QUIET_SECONDS",
    "TURN_SECONDS",
    "Ending",
    "PunctualContext",
    "TurnContext",
    "take_turn",
]

TURN_SECONDS = 50.0
"""A turn that is longer is ended; what is left comes with the next tick."""
OVERTIME_SECONDS = 10.0
"""What a source gets to end, once it was told."""
QUIET_SECONDS = 2.0
"""So long without an event, after a contact, ends the turn of a source that does not rest."""
SHORT_SECONDS = 0.3
"""A rest that is shorter is taken as it is meant."""


class Ending(threading.Event):
    """Says when a turn is over; sources ask it all the time."""

    def __init__(
        self,
        *,
        seconds: float = TURN_SECONDS,
        quiet_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._ends = clock() + seconds
        self._quiet_seconds = quiet_seconds
        self._quiet_from: float | None = None

    @property
    def left_seconds(self) -> float:
        """What is left of the turn."""
        return self._ends - self._clock()

    def is_set(self) -> bool:
        """Whether the turn is over."""
        if not super().is_set() and (self.left_seconds <= 0 or self._is_quiet()):
            self.set()
        return super().is_set()

    def note_health(self, health: Health) -> None:
        """The other end has answered, or has not."""
        if health.connected and self._quiet_from is None:
            self._quiet_from = self._clock()

    def note_event(self) -> None:
        """There was something, and it is stored."""
        self._quiet_from = self._clock()

    def _is_quiet(self) -> bool:
        if self._quiet_seconds is None or self._quiet_from is None:
            return False
        return self._clock() - self._quiet_from >= self._quiet_seconds


class TurnContext(SourceContext):
    """The surroundings of a source that has one turn. Its wish to rest ends it, but for `patience_seconds`: a time that
    is about to come is waited for, as ticks and this process may have different clocks."""

    patience_seconds = SHORT_SECONDS

    def sleep(self, seconds: float) -> bool:
        """Wait; True when the source has to end."""
        if seconds > self.patience_seconds:
            self.stopping.set()
        return self.stopping.is_set() or self.stopping.wait(seconds)


class PunctualContext(TurnContext):
    """For schedules: a tick that came a little early is worth waiting for."""

    patience_seconds = 5.0


def take_turn(
    listen: Listen,
    parameters: Mapping[str, Any],
    context: SourceContext,
    ending: Ending,
    store: Callable[[Event], None],
) -> int:
    """Take what the source has to give; how many events. Each is stored before the source moves its place. Raises what
    the source or `store` raises."""
    pace, taken = Pace(), 0
    events: Iterator[Event] = iter(listen(parameters, context))
    try:
        for event in events:
            store(event)
            ending.note_event()
            taken += 1
            if ending.left_seconds < -OVERTIME_SECONDS:
                break
            time.sleep(pace.take())
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
    return taken
