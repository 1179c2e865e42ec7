"""What the journal keeps: a run's start, its steps, its end. Immutable; times are Unix nanoseconds, UTC.

Entries are named tuples because the machine builds one per step in its inner loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Any, NamedTuple

from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass

__all__ = [
    "Entry",
    "EventRuns",
    "Logged",
    "RunFinished",
    "RunHistory",
    "RunStart",
    "RunStatus",
    "RunSummary",
    "RunSuspended",
    "RunWoken",
    "StepFinished",
    "StepStarted",
    "StepStatus",
    "Used",
    "highest_seq",
    "total_of",
    "used_in",
    "wakings_in",
]


class RunStatus(StrEnum):
    RUNNING = "running"
    WAITING = "waiting"  # suspended: holds no process
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the error edge was taken, or the run failed here
    RETRYING = "retrying"  # this attempt failed, another follows
    WAITING = "waiting"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class RunStart:
    """How a run begins. (`flow`, `event.source`, `event.id`) is unique among runs where `event` is given and
    `parent_id` and `copied_from` are not."""

    run_id: str
    flow: str
    version: str
    """The flow text's digest."""
    started_ns: int
    event: Event | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Values given by the caller (`--var`, an execute request, a call's input); they win over the author's block."""
    parent_id: str | None = None
    """The run whose step made this one (parallel branch, mapped item, call). Its id is `<parent>.<seq>.<key>`."""
    state: str | None = None
    """Where to begin, when not at the flow's start: a branch, or the place of a fork."""
    copied_from: tuple[str, int] | None = None
    """The run and step sequence this one was replayed (0) or forked from."""

    @property
    def key(self) -> tuple[str, str, str] | None:
        """What makes the run unique beside its id; None for one that no event made."""
        if self.event is None or self.parent_id is not None or self.copied_from is not None:
            return None
        return self.flow, self.event.source, self.event.id


class StepStarted(NamedTuple):
    """Written ahead of an effect. `seq` counts from 1 within the run; a retry keeps its seq and raises `attempt`."""

    seq: int
    state: str
    type: str
    attempt: int
    started_ns: int


class StepFinished(NamedTuple):
    """One completed attempt. `changes` are the variables assigned (encoded by `language.values`), enough to resume."""

    seq: int
    state: str
    type: str
    attempt: int
    status: StepStatus
    next: str | None
    started_ns: int
    finished_ns: int
    changes: Mapping[str, Any]
    error: str | None
    loops: Mapping[str, Any] | None
    """The whole table of active loops after this step, when the step changed it: name -> {index}, and `items` in the
    record of the step that entered the loop, so that a long list is kept once."""
    emitted: tuple[Event, ...]
    removed: tuple[str, ...] = ()
    """Variables deleted."""


class Logged(NamedTuple):
    """One log line of a step; `seq` 0 belongs to the run as a whole."""

    seq: int
    level: str
    message: str
    at_ns: int


class Used(NamedTuple):
    """What an attempt of a step has spent, as it is spent: a failed attempt has spent it too."""

    seq: int
    attempt: int
    amounts: Mapping[str, float]
    """By name: `input_tokens`, `output_tokens`, `cost_usd`."""
    at_ns: int
    child_id: str | None = None
    """The child run that spent it and has it in its own record; such an entry is its parent's sum of it."""


class RunSuspended(NamedTuple):
    """The run waits in step `seq`; it holds no process. One of the reasons is given; none, where only its child runs
    know what they wait for."""

    seq: int
    state: str
    until_ns: int | None
    """Wake at this time (also the deadline of the other two)."""
    event_filter: Mapping[str, Any] | None
    """Wake on an event whose attributes equal these (`type`, `source`, `subject`, extensions)."""
    approval: str | None
    """Wake when a person answers this question."""


class RunWoken(NamedTuple):
    """What ended the wait of step `seq`; recorded together with the end of that step. By it the same event, or the same
    answer, is known when it comes again."""

    seq: int
    state: str
    source: str | None
    """Of the event; None for a person's answer."""
    id: str
    """Of the event; of an answer, its digest."""


class RunFinished(NamedTuple):
    """The run's end, whatever it was."""

    status: RunStatus
    end_state: str | None
    error: str | None
    output: Any
    finished_ns: int


Entry = StepStarted | StepFinished | Logged | Used | RunSuspended | RunWoken | RunFinished


@dataclass(frozen=True, kw_only=True)
class RunHistory:
    """A run as the journal knows it: its start and every entry in order."""

    start: RunStart
    entries: tuple[Entry, ...]
    status: RunStatus


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One row of a list of runs."""

    run_id: str
    flow: str
    version: str
    status: RunStatus
    started_ns: int
    finished_ns: int | None
    end_state: str | None
    error: str | None
    steps: int
    wake_ns: int | None
    parent_id: str | None
    copied_from: tuple[str, int] | None


class EventRuns(NamedTuple):
    """The runs that have to do with an event, as they stood at one moment."""

    begun: str | None = None
    """The run that the event made."""
    woken: Sequence[str] = ()
    """Runs that it woke, in the order they were made; children too."""
    waiting: Sequence[str] = ()
    """Runs that wait for it and that it has not woken before; children too."""


def highest_seq(entries: Sequence[Entry]) -> int:
    """The last step that entries speak of."""
    return max([entry[0] for entry in entries if not isinstance(entry, RunFinished)], default=0)


def used_in(entries: Sequence[Entry]) -> list[Used]:
    """What entries say the run itself has spent, its child runs not."""
    return [entry for entry in entries if type(entry) is Used and entry.child_id is None]


def total_of(amounts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The sum, name by name."""
    total: dict[str, float] = {}
    for each in amounts:
        for name, amount in each.items():
            total[name] = total.get(name, 0) + amount
    return total


def wakings_in(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Source and id of the events that entries say have woken the run."""
    return [(entry.source, entry.id) for entry in entries if type(entry) is RunWoken and entry.source is not None]
