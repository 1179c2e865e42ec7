"""Steps and source contexts for tests of functions."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import wrap
from intellyhub_engine.machine.source import Cursors, Health, MemoryCursors, Replies, SourceContext
from intellyhub_engine.machine.step import FlowCard, Flows, Left, Memory, Spending, Step
from intellyhub_functions.settings import settings

__all__ = [
    "FlowsOfTests",
    "Listening",
    "Log",
    "MemoryOfTests",
    "SpendingOfTests",
    "await_that",
    "configured",
    "make_context",
    "make_step",
]

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


@contextlib.contextmanager
def configured(**variables: str) -> Iterator[None]:
    """While the context lasts, the settings of functions are read from these variables too."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        settings.cache_clear()
        try:
            yield
        finally:
            settings.cache_clear()


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
    memory: Memory | None = None,
    spending: Spending | None = None,
    flows: Flows | None = None,
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
        memory=memory or MemoryOfTests(),
        spending=spending or SpendingOfTests(),
        flows=flows or FlowsOfTests(),
    )


class MemoryOfTests:
    """Satisfies `Memory`; `values` is what is remembered, as JSON gives it back."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def read(self, key: str) -> Any:
        """What is remembered under the key."""
        return wrap(self.values.get(key))

    def write(self, key: str, value: Any) -> None:
        """Remember it; None forgets."""
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = json.loads(json.dumps(value))

    def change(self, key: str, change: Callable[[Any], Any]) -> Any:
        """Remember what `change` makes of what is there."""
        value = change(self.read(key))
        self.write(key, value)
        return value


class SpendingOfTests:
    """Satisfies `Spending`: `spent` is all that was noted, `limits` what is left of whose."""

    def __init__(self, *limits: Left) -> None:
        self.spent: list[dict[str, float]] = []
        self.limits = limits

    def add(self, amounts: Mapping[str, float]) -> None:
        """Note what was spent."""
        self.spent.append(dict(amounts))

    def left(self, budget: Mapping[str, Any] | None = None) -> Sequence[Left]:
        """The limits of the test, and of the budget what is left of it."""
        own = [
            Left(name=name, amount=float(most) - self._sum(name), most=float(most), of="the run")
            for name, most in (budget or {}).items()
        ]
        return sorted([*self.limits, *own], key=lambda left: (left.name, left.amount))

    def _sum(self, name: str) -> float:
        names = ("input_tokens", "output_tokens") if name == "tokens" else (name,)
        return sum(amounts.get(each, 0) for amounts in self.spent for each in names)


class FlowsOfTests:
    """Satisfies `Flows`: `answers` says by name what a flow gives for its input; `calls` is what was asked, by key."""

    def __init__(self, cards: Sequence[FlowCard] = (), **answers: Callable[[Mapping[str, Any]], Any]) -> None:
        self.cards = {card.name: card for card in cards}
        self.answers = answers
        self.calls: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def find(self, name: str) -> FlowCard | None:
        """What is known of a flow."""
        if name in self.answers and name not in self.cards:
            return FlowCard(name=name, description="", input_schema=None)
        return self.cards.get(name)

    def call(self, name: str, given: Mapping[str, Any], *, key: str) -> Any:
        """What the flow gives."""
        self.calls[key] = name, given
        return self.answers[name](given)


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
