"""A source that looks now and then: its looks can be made by a thread of its own, or by a host of a thousand others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import SourceContext

__all__ = ["Watch", "Watcher"]

LONGEST_SLEEP_SECONDS = 30.0
"""How often the clock is looked at, because it can be set."""


class Watch(Protocol):
    """What one listener looks at. Used by one thread at a time."""

    def due_ns(self) -> int:
        """When to look next, in Unix nanoseconds; cheap, and right also after the clock was set."""
        ...

    def look(self) -> Iterator[Event]:
        """The events of one look. As with every source, asking for the next one says that the last one is safe."""
        ...


class Watcher:
    """Satisfies `Listen`; a host that makes the looks itself calls `open` instead.

    `quick`: a look takes milliseconds and waits for nobody.
    """

    def __init__(self, open_watch: Callable[[Mapping[str, Any], SourceContext], Watch], *, quick: bool = False) -> None:
        self.open = open_watch
        self.quick = quick

    def __call__(self, parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
        """Look whenever it is time, in the caller's thread, until stopped."""
        watch = self.open(parameters, context)
        while not context.stopping.is_set():
            seconds = (watch.due_ns() - context.now_ns()) / 1e9
            if seconds > 0:
                context.sleep(min(seconds, LONGEST_SLEEP_SECONDS))
            else:
                yield from watch.look()
