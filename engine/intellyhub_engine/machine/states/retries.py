"""Trying a failed step again: which failures, how often, after which pause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from intellyhub_engine.errors import EngineError, JournalError, RetryableError, StepCancelled, StepTimedOut
from intellyhub_engine.journal.records import StepStatus
from intellyhub_engine.machine.active import NOTHING
from intellyhub_engine.machine.masking import mask
from intellyhub_engine.machine.states.failures import SoftFault, as_step_failure
from intellyhub_engine.machine.states.node import Advance, Move, Node, Suspends
from intellyhub_engine.machine.states.steps import finish

if TYPE_CHECKING:
    from intellyhub_engine.language.model import Retry
    from intellyhub_engine.machine.active import ActiveRun

__all__ = ["kind_of", "pause_before", "with_retries"]


def with_retries(node: Node, retry: Retry) -> Advance:
    """Visit the state until it does its work, fails for another reason, or has used up its attempts."""
    once = node.advance

    def advance(run: ActiveRun) -> Move:
        while True:
            try:
                return once(run)
            except (JournalError, StepCancelled, Suspends):
                raise
            except Exception as fault:
                failure = as_step_failure(fault, f"the state {node.name!r}")
                pause = pause_before(run.attempt + 1, failure, retry)
                if pause is None:
                    raise failure from fault
            pause_and_count(run, node, failure, pause)

    return advance


def pause_and_count(run: ActiveRun, node: Node, failure: EngineError, pause: float) -> None:
    """The failed attempt is durable before the pause, so that a crash in it does not give the attempt back."""
    message = mask(str(failure), run.family.secrets)
    following = run.attempt + 1
    finish(run, node, StepStatus.RETRYING, node.name, NOTHING, error=message)
    run.attempt = following
    run.log("warning", f"{node.name}: {message}; attempt {following} follows in {pause:g} s")
    if run.durable:
        run.write(durable=True)
    run.host.sleep(pause, run.family.cancelled)
    run.family.stop_if_told()
    run.started_ns = run.host.now_ns()


def pause_before(attempt: int, failure: EngineError, retry: Retry) -> float | None:
    """Seconds to wait before this attempt (2 is the first retry); None when there is none.

    The pause doubles from `backoff_seconds`; a longer one that the other side asked for is kept, up to the maximum.
    """
    if attempt > retry.attempts or not is_retried(failure, retry):
        return None
    pause = float(retry.backoff_seconds) * 2.0 ** min(attempt - 2, 60)
    asked = failure.retry_after_seconds if isinstance(failure, RetryableError) else None
    return min(max(pause, asked or 0.0), retry.max_backoff_seconds)


def is_retried(failure: EngineError, retry: Retry) -> bool:
    kind = kind_of(failure)
    if not retry.on:
        return kind != "permanent"
    message = str(failure).lower()
    return any(reason == kind or (reason not in KINDS and reason.lower() in message) for reason in retry.on)


def kind_of(failure: EngineError) -> str:
    """`timeout`, `retryable` or `permanent`; a soft fault such as a shell line's exit code counts as retryable."""
    if isinstance(failure, StepTimedOut):
        return "timeout"
    return "retryable" if isinstance(failure, RetryableError | SoftFault) else "permanent"


KINDS = frozenset({"timeout", "retryable", "permanent"})
