"""A flow as frozen values: what the parser builds, the checker reads and the compiler turns into a program.

All dialects of the text are already one form here. Nested bodies (a loop's `states`, an `if`'s `then`, a switch case
that is a whole body, a parallel's branches) stand in the one flat table `Flow.states` under names such as
`each/notify`, so that a step's place is always one state name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.problems import Position

if TYPE_CHECKING:
    from intellyhub_engine.language.parsing.places import Places

__all__ = ["BREAK", "CONTINUE", "END", "Durability", "Flow", "FlowTest", "Listener", "LogLine", "Retry", "State"]

END = "end"
"""The predefined target that ends a run, also where no state has that name."""

CONTINUE = "continue_loop"
"""The target that ends one pass of the innermost active loop."""

BREAK = "break_loop"
"""The target that leaves the innermost active loop."""


class Durability(StrEnum):
    STEP = "step"  # write-ahead before each effect (default)
    RUN = "run"  # durable at start and end only: a crash repeats the run
    NONE = "none"  # nothing is kept


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often a failed step is tried: `attempts` in all, waits doubling from `backoff_seconds`."""

    attempts: int = 3
    backoff_seconds: float = 1.0
    max_backoff_seconds: float = 60.0
    on: tuple[str, ...] = ()
    """Which failures: `timeout`, `retryable`, `permanent`, or text found in the message; empty means the first two."""


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """What a state logs after it ran; `message` is a template."""

    message: str
    level: str = "info"


@dataclass(frozen=True, kw_only=True)
class State:
    """One node. `type` is canonical (`telegram-bot`), `parameters` have canonical names and raw values."""

    name: str
    type: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    """Edge label -> state name. Labels: `next`, `success`, `error`, `true`, `false`, `default`, `case:<value>`,
    `body` (loop), `done` (loop exhausted), `branch:<name>` (parallel). A missing label ends the run there. A loop
    has no `next`: `done` is where it goes on."""
    output: str | Mapping[str, str] | None = None
    log: LogLine | None = None
    retry: Retry | None = None
    timeout_seconds: float | None = None
    mock: Any = None
    """The state's `test` fixture: the result that a flow test uses instead of running it."""
    position: Position | None = None


@dataclass(frozen=True, kw_only=True)
class Listener:
    """What wakes the flow. `type` is normalised (`rss`, `telegram`); unresolved parameters as written."""

    type: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    output: str | None = None
    position: Position | None = None


@dataclass(frozen=True, kw_only=True)
class FlowTest:
    """One entry of `tests:`: an event, results of mocked states, and what must come out."""

    name: str
    event: Any = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    mocks: Mapping[str, Any] = field(default_factory=dict)
    """State name -> result, or `{error: message}` to make it fail."""
    expected_path: tuple[str, ...] | None = None
    expected_variables: Mapping[str, Any] = field(default_factory=dict)
    expected_status: str = "succeeded"
    position: Position | None = None


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One flow version, parsed. `start` and every target name a key of `states`, or END, CONTINUE, BREAK."""

    name: str
    start: str
    states: Mapping[str, State]
    description: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """The author's `variables` block, unresolved; resolved when a run starts."""
    listener: Listener | None = None
    max_steps: int = 100
    durability: Durability = Durability.STEP
    log_level: str = "info"
    dependencies: tuple[str, ...] = ()
    dollar_names: bool = False
    """List-form flows write `$name`; there, and only there, it is a placeholder."""
    tests: tuple[FlowTest, ...] = ()
    input_schema: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None
    budget: Mapping[str, Mapping[str, float]] | None = None
    """`{run, day, month: {tokens, cost_usd}}`: what each run may spend, and all of them together."""
    digest: str = ""
    """sha256 of the text, hex: what a version is addressed by."""
    places: Places | None = field(default=None, compare=False, repr=False)
    """Where everything stands in the text; None for a flow that was not read from one."""
