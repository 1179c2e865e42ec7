"""What a state function receives and what it gives back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass

__all__ = ["Outcome", "Perform", "Step"]


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
    services: Mapping[str, Any] = field(default_factory=dict)
    """Long-lived things of the worker, by name: `blocks` (the process that runs Python blocks), `http` (the pool)."""

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
    fault: str | None = None
    """A soft failure (a shell line's non-zero exit): takes the error edge where there is one, else the run goes on
    with a warning in its log."""


Perform = Callable[[Mapping[str, Any], Step], Any]
"""`perform(parameters, step)` -> a value or an `Outcome`. Raises `RetryableError` or `PermanentError`; anything else is
a bug and fails the step as permanent. `parameters` are resolved, converted to the manifest's types, defaults filled
in."""
