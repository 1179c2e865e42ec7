"""Everything that can go wrong in the engine, as one tree.

EngineError
├── FlowInvalid                 the flow text cannot run; carries every problem found
├── InputInvalid                an event file, a flag or a setting cannot be used
│   ├── InputUnfit              what a flow is given does not fit its `input`
│   └── OtherVersion            the run began on another version of the flow
├── ExpressionInvalid           a template, condition, shell line or block does not compile; knows the column
├── StepFailed                  what a state function raises
│   ├── RetryableError          may succeed later: retried, then 503 so that the broker redelivers
│   └── PermanentError          never will: recorded on the run and acknowledged
│       ├── EvaluationFailed    compiled code met values it cannot work with
│       ├── ValueRefused        a value is outside what variables may hold: too deep, too big, of a foreign class
│       ├── StepTimedOut        the step's own deadline passed
│       └── StepCancelled       the run was cancelled while the step ran
└── JournalError                the durable record cannot be read or written
    ├── JournalUnwritable       no rights, not a database, locked by another process
    ├── JournalFull             no room on the disk; what was committed stays committed
    ├── RunNotFound             no run has that id
    └── LeaseLost               another worker has taken the run over; this one must stop
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intellyhub_engine.language.problems import Problem

__all__ = [
    "EngineError",
    "EvaluationFailed",
    "ExpressionInvalid",
    "FlowInvalid",
    "InputInvalid",
    "InputUnfit",
    "JournalError",
    "JournalFull",
    "JournalUnwritable",
    "LeaseLost",
    "OtherVersion",
    "PermanentError",
    "RetryableError",
    "RunNotFound",
    "StepCancelled",
    "StepFailed",
    "StepTimedOut",
    "ValueRefused",
]


class EngineError(Exception):
    """A fault the engine can name."""


class FlowInvalid(EngineError):
    """The flow text cannot run; `problems` holds every fault with its place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class InputInvalid(EngineError):
    """Something the caller handed in cannot be used; the message names it and the remedy."""


class InputUnfit(InputInvalid):
    """What a flow is given does not fit its `input`; the message names each place. No run was begun."""


class OtherVersion(InputInvalid):
    """The run began on another version of the flow: only that one may go on with it. `version` is its digest."""

    def __init__(self, message: str, *, version: str) -> None:
        self.version = version
        super().__init__(message)


class ExpressionInvalid(EngineError):
    """A text of the flow does not compile. `offset` is its column in that text, counted from 0."""

    def __init__(self, message: str, *, offset: int = 0, suggestion: str | None = None) -> None:
        self.message = message
        self.offset = offset
        self.suggestion = suggestion
        super().__init__(message)


class StepFailed(EngineError):
    """A step did not do its work. `result` becomes the step's output where the state names one."""

    def __init__(self, message: str, *, result: object = None) -> None:
        self.result = result
        super().__init__(message)


class RetryableError(StepFailed):
    """The same call may succeed later."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None, result: object = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message, result=result)


class PermanentError(StepFailed):
    """The same call will fail again."""


class EvaluationFailed(PermanentError):
    """Compiled code met values it cannot work with: the condition, template or shell line has no meaning for them."""


class ValueRefused(PermanentError):
    """A value cannot become a variable; the message says which limit or class is the reason."""


class StepTimedOut(PermanentError):
    """The step's `timeout_seconds` passed."""


class StepCancelled(PermanentError):
    """The run was cancelled while the step ran."""


class JournalError(EngineError):
    """The durable record of runs cannot be used."""


class JournalUnwritable(JournalError):
    """The journal cannot be opened or written; the message names the path and the remedy."""


class JournalFull(JournalError):
    """The disk is full; nothing committed is lost."""


class RunNotFound(JournalError):
    """No run has that id."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"no run has the id {run_id!r}")


class LeaseLost(JournalError):
    """Another worker holds the run now."""
