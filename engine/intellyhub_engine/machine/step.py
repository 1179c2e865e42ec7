"""What a state function receives and what it gives back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass

__all__ = ["FlowCard", "Flows", "Left", "Memory", "Outcome", "Perform", "Spending", "Step"]


class Memory(Protocol):
    """What the flow remembers from run to run, by key. Values are JSON, up to 256 KB each; secrets in them are masked.

    Raises `InputInvalid` for a value that is too large, and where the flow's memory is full.
    """

    def read(self, key: str) -> Any:
        """What is remembered under the key; None where nothing is."""

    def write(self, key: str, value: Any) -> None:
        """Remember it instead of what was there; it lasts when this returns. None forgets."""

    def change(self, key: str, change: Callable[[Any], Any]) -> Any:
        """Remember `change(what is remembered)`, and give it. It is called again where another run has written
        meanwhile, so that nothing is lost of what both remember."""


@dataclass(frozen=True, kw_only=True)
class Left:
    """What one limit still allows."""

    name: str
    """`tokens` or `cost_usd`."""
    amount: float
    """0 or less where it is used up."""
    most: float
    """The limit itself."""
    of: str
    """Whose limit it is, as messages say it: `the run`, `the flow this month`."""


class Spending(Protocol):
    """What the run spends, and what it may."""

    def add(self, amounts: Mapping[str, float]) -> None:
        """Note at once what was spent (`input_tokens`, `output_tokens`, `cost_usd`), also where the step fails later.
        What is noted here does not belong into `Outcome.usage` too."""

    def left(self, budget: Mapping[str, Any] | None = None) -> Sequence[Left]:
        """What every limit that counts still allows, the scarcest first of each name: those of the run (`budget`, by
        name, beside the flow's own), of the flow and of its tenant."""


@dataclass(frozen=True, kw_only=True)
class FlowCard:
    """What a flow says of itself."""

    name: str
    description: str
    input_schema: Mapping[str, Any] | None


class Flows(Protocol):
    """The other flows of the same owner."""

    def find(self, name: str) -> FlowCard | None:
        """What is known of a flow; None where there is none of that name."""

    def call(self, name: str, given: Mapping[str, Any], *, key: str) -> Any:
        """Run it as a child of this run, and give its answer. `key` is the call's own within the step: the same call
        made again, after a crash, finds its run and does nothing twice. Raises what the run failed with, and
        PermanentError where it waits."""


NOTHING_AT_HAND: Any = None
"""For steps made by hand: a function that wants more is given it by its test."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """The visit a state function works for."""

    run_id: str
    flow: str
    state: str
    seq: int
    attempt: int
    scope: Mapping[str, Any]
    """Every name visible to the flow now; read only. Values are those of `language.values`."""
    timeout_seconds: float | None
    """What is left for this attempt; None is no limit."""
    cancelled: threading.Event
    """Set when the run is cancelled; long waits watch it."""
    workspace: Path
    """Relative paths of the flow are under it."""
    log: Callable[[str, str], None]
    """`log(level, message)`: shown live, kept in the run's log. Levels debug, info, warning, error."""
    event: Event | None = None
    listener: Mapping[str, Any] = field(default_factory=dict)
    """The listener's resolved parameters, where the flow has one."""
    memory: Memory = NOTHING_AT_HAND
    spending: Spending = NOTHING_AT_HAND
    flows: Flows = NOTHING_AT_HAND
    services: Mapping[str, Any] = field(default_factory=dict)
    """Long-lived things of the worker, by name: `blocks` (the process that runs Python blocks), `http` (the pool)."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """Where the state's edges lead, by label (`next`, `success`, `error`)."""
    output: str | Mapping[str, str] | None = None
    """The variable that takes the result."""

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this step, also after a crash: what an outside service can deduplicate by."""
        return f"{self.run_id}/{self.seq}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a state function returns when a bare value does not say enough."""

    value: Any = None
    """The result: stored under the state's `output`."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Variables assigned beside it."""
    removed: tuple[str, ...] = ()
    """Variables deleted."""
    usage: Mapping[str, float] = field(default_factory=dict)
    """What the step has spent, by name: `input_tokens`, `output_tokens`, `cost_usd`."""
    fault: str | None = None
    """A soft failure (a shell line's non-zero exit): takes the error edge where there is one, else the run goes on
    with a warning in its log."""
    goes_to: str | None = None
    """The state that comes next, where the function chooses it: one of `Step.targets`, any state's name, or `end`."""


Perform = Callable[[Mapping[str, Any], Step], Any]
"""`perform(parameters, step)` -> a value or an `Outcome`. Raises `RetryableError` or `PermanentError`; anything else is
a bug and fails the step as permanent. `parameters` are resolved, converted to the manifest's types, defaults filled
in."""
