"""Small flows and surroundings for the machine's tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from intellyhub_engine.catalogue.control import CONTROL
from intellyhub_engine.catalogue.manifest import Catalogue, Parameter, StateType
from intellyhub_engine.journal.memory import MemoryJournal
from intellyhub_engine.journal.records import Logged, StepFinished, StepStatus
from intellyhub_engine.language.compile import Program, compile_flow
from intellyhub_engine.language.model import Flow, State
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.machine.step import Perform, Step

__all__ = [
    "Clock",
    "Effects",
    "Recording",
    "World",
    "log_of",
    "make_catalogue",
    "make_host",
    "make_program",
    "path_of",
    "state",
    "steps_of",
]


class Clock:
    """Time that passes only when someone sleeps, and a nanosecond at each look."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000_000_000
        self.slept: list[float] = []

    def now_ns(self) -> int:
        self.now += 1
        return self.now

    def sleep(self, seconds: float, cancelled: threading.Event) -> None:
        self.slept.append(seconds)
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self.now += int(seconds * 1e9)


class Effects:
    """An outside world that remembers what was done to it, by idempotency key."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.steps: list[Step] = []

    def perform(self, parameters: Mapping[str, Any], step: Step) -> Any:
        self.steps.append(step)
        self.done.append(step.idempotency_key)
        return parameters.get("give", len(self.done))


def make_catalogue(**performs: Perform) -> Catalogue:
    """The control states, `touch` (see Effects) and other functions by name."""

    def loader(perform: Perform) -> Callable[[], Perform]:
        return lambda: perform

    functions = {
        name: StateType(
            type=name,
            parameters={"give": Parameter(name="give"), "count": Parameter(name="count", types=("integer",))},
            open_parameters=True,
            load=loader(perform),
        )
        for name, perform in performs.items()
    }
    return Catalogue(states={**CONTROL, **functions})


def make_host(clock: Clock | None = None, **settings: Any) -> Host:
    clock = clock or Clock()
    counter = iter(range(1, 1_000_000))
    host = Host(
        now_ns=clock.now_ns,
        sleep=clock.sleep,
        catalogue=settings.pop("catalogue", None) or make_catalogue(),
        random_bytes=lambda count: next(counter).to_bytes(count, "big"),
    )
    return replace(host, **settings)


def state(name: str, kind: str, to: str | None = None, /, **settings: Any) -> State:
    """A state; `targets` beside `to`, model fields by name, everything else a parameter."""
    targets = dict(settings.pop("targets", {}))
    if to is not None:
        targets["next"] = to
    fields = {
        key: settings.pop(key) for key in ("output", "log", "retry", "timeout_seconds", "mock") if key in settings
    }
    return State(name=name, type=kind, targets=targets, parameters=settings, **fields)


def make_program(*states: State, catalogue: Catalogue | None = None, **settings: Any) -> Program:
    flow = Flow(
        name=settings.pop("name", "small"),
        start=states[0].name,
        states={each.name: each for each in states},
        digest=settings.pop("digest", "d1"),
        **settings,
    )
    return compile_flow(flow, catalogue or make_catalogue())


def steps_of(result: RunResult) -> list[StepFinished]:
    return [entry for entry in result.entries if isinstance(entry, StepFinished)]


def path_of(result: RunResult) -> list[str]:
    return [entry.state for entry in steps_of(result) if entry.status is not StepStatus.RETRYING]


def log_of(result: RunResult) -> list[tuple[str, str]]:
    return [(entry.level, entry.message) for entry in result.entries if isinstance(entry, Logged)]


class Recording(MemoryJournal):
    """Remembers how entries came."""

    def __init__(self, now_ns):
        super().__init__(now_ns=now_ns)
        self.calls = []

    def record(self, run_id, entries, *, owner, durable):
        self.calls.append(([type(entry).__name__ for entry in entries], durable))
        super().record(run_id, entries, owner=owner, durable=durable)


class World:
    """A host with a journal and one kind of effect."""

    def __init__(self, perform=None, **settings):
        self.clock = Clock()
        self.effects = Effects()
        self.catalogue = make_catalogue(do=perform or self.effects.perform)
        self.journal = settings.pop("journal", None) or Recording(self.clock.now_ns)
        self.host = make_host(self.clock, catalogue=self.catalogue, journal=self.journal, **settings)

    def program(self, *states, **settings):
        return make_program(*states, catalogue=self.catalogue, **settings)
