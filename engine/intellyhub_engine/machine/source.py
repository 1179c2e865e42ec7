"""What a source receives and what it gives: events, one after the other, from a blocking generator."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.machine.step import Step

__all__ = ["Complete", "Cursors", "Expected", "Health", "Listen", "MemoryCursors", "Replies", "Reply", "SourceContext"]


class Cursors(Protocol):
    """Where a source keeps its place. A value is JSON of at most a few hundred KB; `put` returns when it is durable."""

    def get(self, key: str) -> Any:
        """What was last put under `key`; None at the first contact."""
        ...

    def put(self, key: str, value: Any) -> None:
        """Keep `value` under `key`."""
        ...


class MemoryCursors:
    """Cursors that end with the process: for tests and for a source that is only tried out."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.kept.get(key)

    def put(self, key: str, value: Any) -> None:
        self.kept[key] = value


@dataclass(frozen=True, kw_only=True)
class Health:
    """How the source stands with what it watches, as of its last contact."""

    connected: bool
    message: str = ""
    """The last error, where it is not connected."""
    next_attempt_seconds: float | None = None
    address: str | None = None
    """Where a source that serves can be reached: `http://127.0.0.1:8080/webhook`."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the caller behind an event is told: an HTTP status and a JSON body."""

    status: int = 200
    body: Any = None


class Expected:
    """One caller who waits for the reply to an event."""

    def __init__(self) -> None:
        self._arrived = threading.Event()
        self._reply: Reply | None = None

    def give(self, reply: Reply) -> None:
        """The reply; the first one counts."""
        self._reply = self._reply or reply
        self._arrived.set()

    def wait(self, seconds: float) -> Reply | None:
        """The reply, or None when it does not come within `seconds`."""
        self._arrived.wait(seconds)
        return self._reply


class Replies:
    """Where a source whose callers wait (a webhook) meets the consumer of its events. Thread-safe.

    The source opens `expect` before it gives the event out and waits inside; the consumer calls `give` when the run
    is done, from whatever thread. Replies to events that nobody waits for are dropped.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Expected]] = {}

    @contextlib.contextmanager
    def expect(self, event: Event) -> Iterator[Expected]:
        """Wait for this event's reply as long as the context lasts; several may wait for one event."""
        expected = Expected()
        with self._lock:
            self._waiting.setdefault(event.id, []).append(expected)
        try:
            yield expected
        finally:
            with self._lock:
                self._waiting[event.id].remove(expected)
                if not self._waiting[event.id]:
                    del self._waiting[event.id]

    def give(self, event: Event, reply: Reply) -> None:
        """Answer everyone who waits for this event."""
        with self._lock:
            waiting = list(self._waiting.get(event.id, ()))
        for expected in waiting:
            expected.give(reply)


@dataclass(frozen=True, kw_only=True)
class SourceContext:
    """The surroundings of one listening source."""

    flow: str
    address: str
    """The `source` attribute of its events, for example `/flows/news/listener`."""
    stopping: threading.Event
    """Set when the source has to end; `listen` then returns within about a second."""
    log: Callable[[str, str], None]
    """`log(level, message)`."""
    now_ns: Callable[[], int]
    """Unix time in nanoseconds."""
    workspace: Path
    """Relative paths of the flow are under it."""
    cursors: Cursors = field(default_factory=MemoryCursors)
    replies: Replies = field(default_factory=Replies)
    report: Callable[[Health], None] = lambda health: None
    """Told at every contact and at every failure."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Names visible to the flow outside its own block (environment, user variables): `TELEGRAM_API_URL` for example."""
    hook_address: str | None = None
    """Where the world reaches this listener's hook: `https://example.org/hooks/acme/orders`; None where the platform
    does not know how it is reached."""

    text: Path | None = None
    """The file of the flow's text, where there is one: published listeners read it themselves."""

    def sleep(self, seconds: float) -> bool:
        """Wait; True when the source has to end."""
        return self.stopping.wait(seconds)


Listen = Callable[[Mapping[str, Any], SourceContext], Iterator[Event]]
"""`listen(parameters, context)`, a blocking generator.

Its contract with the consumer: **asking for the next event says that the last one is safe** (its run is durable or
done), so a source moves its cursor after `yield`. An event may come again after a crash, then with the same id.
Faults that may pass are logged, reported and retried inside, for ever; what cannot pass (a refused token, a bad
parameter) raises PermanentError. It ends by returning once `context.stopping` is set; the consumer closes it."""


Complete = Callable[[Event, Mapping[str, Any], Step], Event]
"""`complete(event, parameters, step)`: the event with what it only names (a file behind an id). Called in the worker,
before the event's run begins; after a crash before that, once more. What cannot be had is logged and left out."""
