"""Steps and source contexts for tests of functions."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import wrap
from intellyhub_engine.machine.source import Cursors, Health, MemoryCursors, Replies, SourceContext
from intellyhub_engine.machine.step import Step

__all__ = ["Listening", "Log", "await_that", "make_context", "make_step"]

LOOK_SECONDS = 0.005


def await_that(condition: Callable[..., Any], seconds: float = 20.0) -> Any:
    """What the condition gives as soon as it holds; raises TimeoutError when it does not come to."""
    ends = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > ends:
            raise TimeoutError("what was waited for did not come")
        time.sleep(LOOK_SECONDS)
    return found


@dataclass(slots=True)
class Log:
    """What was logged, in order, as (level, message)."""

    lines: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, level: str, message: str) -> None:
        self.lines.append((level, message))

    def text(self) -> str:
        """All messages, a line each."""
        return "\n".join(message for _, message in self.lines)


def make_step(
    workspace: Path,
    names: Mapping[str, Any] | None = None,
    *,
    outer: Mapping[str, Any] | None = None,
    log: Callable[[str, str], None] | None = None,
    event: Event | None = None,
    listener: Mapping[str, Any] | None = None,
    timeout_seconds: float | None = None,
    services: Mapping[str, Any] | None = None,
    seq: int = 1,
) -> Step:
    """The first attempt of a step of a run called `run-1`, with these variables."""
    return Step(
        run_id="run-1",
        flow="flow",
        state="state",
        seq=seq,
        attempt=1,
        scope=Scope(wrap(dict(names or {})), outer=outer),
        timeout_seconds=timeout_seconds,
        cancelled=threading.Event(),
        workspace=workspace,
        log=log or Log(),
        event=event,
        listener=listener or {},
        services=services or {},
    )


def make_context(
    workspace: Path,
    *,
    cursors: Cursors | None = None,
    log: Callable[[str, str], None] | None = None,
    now_ns: Callable[[], int] = time.time_ns,
    report: Callable[[Health], None] = lambda health: None,
    settings: Mapping[str, Any] | None = None,
) -> SourceContext:
    """The surroundings of a source of the flow `flow`."""
    return SourceContext(
        flow="flow",
        address="/flows/flow/listener",
        stopping=threading.Event(),
        log=log or Log(),
        now_ns=now_ns,
        workspace=workspace,
        cursors=cursors or MemoryCursors(),
        replies=Replies(),
        report=report,
        settings=settings or {},
    )


class Listening:
    """A source that listens in a thread while `with` lasts; `next` waits for its next event.

    `consume` is called with each event in that thread, before the source is asked for the next.
    """

    def __init__(
        self,
        events: Iterator[Event],
        context: SourceContext,
        consume: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self.context = context
        self._events = events
        self._consume = consume
        self._found: queue.Queue[Event | BaseException | None] = queue.Queue()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self.context.stopping.set()
        self._thread.join(10)
        assert not self._thread.is_alive(), "the source does not end"

    def next(self, seconds: float = 10.0) -> Event:
        """The next event; raises what the source raised, or `queue.Empty`."""
        found = self._found.get(timeout=seconds)
        if isinstance(found, BaseException):
            raise found
        assert found is not None, "the source ended"
        return found

    def _listen(self) -> None:
        try:
            for event in self._events:
                self._found.put(event)
                self._consume(event)
            self._found.put(None)
        except BaseException as fault:  # noqa: BLE001 - raised again by next
            self._found.put(fault)
