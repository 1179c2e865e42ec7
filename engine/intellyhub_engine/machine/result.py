"""How a run came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.records import Entry, RunStatus, RunSuspended

__all__ = ["RunResult"]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """The end of one `execute` call; a waiting run has one per awakening."""

    run_id: str
    status: RunStatus
    end_state: str | None
    error: str | None
    variables: Mapping[str, Any]
    """The run's own variables: never secrets or environment. Values of `language.values`."""
    output: Any = None
    """What the flow answers a caller: the `end` state's `output`, else None."""
    entries: Sequence[Entry] = field(default_factory=tuple)
    """Every entry of the run, those loaded from the journal included."""
    suspended: RunSuspended | None = None
    retry_after_seconds: float | None = None
    """Given when the run failed for a reason that may pass and no error edge caught it."""
