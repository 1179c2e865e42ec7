"""A step that failed: which edge it takes, what it leaves behind, and when the run ends of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import (
    EngineError,
    JournalError,
    PermanentError,
    RetryableError,
    StepCancelled,
    StepFailed,
    ValueRefused,
)
from intellyhub_engine.journal.records import RunStatus, StepStatus
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.values.values import text_of, wrap
from intellyhub_engine.machine.active import NOTHING
from intellyhub_engine.machine.masking import mask
from intellyhub_engine.machine.states.aiming import find_target
from intellyhub_engine.machine.states.node import success_target
from intellyhub_engine.machine.states.outputs import make_assign
from intellyhub_engine.machine.states.steps import finish, table_of

if TYPE_CHECKING:
    from intellyhub_engine.language.program import LogCode, StateCode
    from intellyhub_engine.machine.active import ActiveRun
    from intellyhub_engine.machine.states.node import Node
    from intellyhub_engine.machine.states.nodes import Nodes
    from intellyhub_engine.machine.step import Outcome

__all__ = ["ERROR", "SoftFault", "as_step_failure", "error_target_of", "fail_step", "make_say"]

ERROR = "error"
"""The label of the error edge; as a state's name, in a flow that has no such state, it is the run's failure."""
RETRY_AFTER_SECONDS = 1.0
"""When a failed run may be tried again, where nothing said how long to wait."""


class SoftFault(PermanentError):
    """A function's `Outcome.fault`, where there is an error edge or a retry for it."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.fault or "", result=outcome.value)


def error_target_of(code: StateCode, nodes: Nodes) -> str | None:
    """The state a failure goes to; None fails the run."""
    program, target = nodes.program, code.targets.get(ERROR)
    if target is not None:
        return None if target == ERROR and ERROR not in program else target
    kind = nodes.catalogue.states.get(code.type)
    fallback = kind.error_default if kind else None
    return fallback if fallback is not None and fallback in program else None


def as_step_failure(fault: Exception, what: str) -> EngineError:
    """The fault as one the engine can name; a bug's traceback goes to the log, never to the user."""
    if isinstance(fault, EngineError):
        return fault
    import logging

    logging.getLogger("intellyhub.machine").error("%s broke", what, exc_info=fault)
    text = str(fault)
    return PermanentError(f"{what} broke: {type(fault).__name__}{': ' + text if text else ''}")


def fail_step(run: ActiveRun, node: Node, fault: Exception) -> str | None:
    """Record the failed step and give the state that handles it; None when the run ends of it.

    Raises what is no step's failure: the journal's faults.
    """
    if isinstance(fault, JournalError):
        raise fault
    failure = as_step_failure(fault, f"the state {node.name!r}")
    message = mask(str(failure), run.family.secrets)
    if isinstance(failure, StepCancelled):
        end_run(run, node, RunStatus.CANCELLED, StepStatus.CANCELLED, message)
        return None
    if isinstance(failure, SoftFault) and node.error_target is None:
        return go_on(run, node, failure, message)
    loops = leave_failed_loop(run, node)
    changes = changes_of(run, node, failure) | {"error_message": message, "error_state": node.name}
    run.scope.update(changes)
    if node.error_target is None:
        if isinstance(failure, RetryableError):
            run.retry_after_seconds = failure.retry_after_seconds or RETRY_AFTER_SECONDS
        again = run.retry_after_seconds is not None and run.redelivered
        end_run(run, node, RunStatus.FAILED, StepStatus.RETRYING if again else StepStatus.FAILED, message, changes)
        return None
    target = finish(run, node, StepStatus.FAILED, node.error_target, changes, error=message, loops=loops)
    log_failure(run, node, message)
    return target


def end_run(
    run: ActiveRun, node: Node, status: RunStatus, step: StepStatus, message: str, changes: Mapping[str, Any] = NOTHING
) -> None:
    """The run ends in this step. RETRYING tells a redelivery of the event that it may go on from here."""
    run.status, run.error, run.end_state = status, message, node.name
    finish(run, node, step, None, changes, error=message)
    log_failure(run, node, message)


def log_failure(run: ActiveRun, node: Node, message: str) -> None:
    """The failure itself; then the state's own line, where it speaks of the error."""
    run.log("error", f"{node.name}: {message}")
    log = node.code.log
    if log is not None and log.of_failure:
        make_say(node.name, log)(run)


def make_say(state: str, log: LogCode) -> Callable[[ActiveRun], None]:
    """What writes a state's own line. The step is over by then: a text that cannot be made is a warning."""
    message, level = link(log.message), log.level

    def say(run: ActiveRun) -> None:
        try:
            run.log(level, text_of(message(run.scope)))
        except StepFailed as fault:
            run.log("warning", f"{state}: its log cannot be written: {fault}")

    return say


def go_on(run: ActiveRun, node: Node, fault: SoftFault, message: str) -> str | None:
    """A soft fault nobody catches: the state counts as done."""
    changes = changes_of(run, node, fault)
    run.scope.update(changes)
    chosen = fault.outcome.goes_to
    following = success_target(node.code) if chosen is None else find_target(run, node, chosen)
    target = finish(run, node, StepStatus.SUCCEEDED, following, changes, removed=fault.outcome.removed)
    run.log("warning", f"{node.name}: {message}")
    return target


def leave_failed_loop(run: ActiveRun, node: Node) -> dict[str, Any] | None:
    """A loop state that fails is left, with all loops inside it."""
    if node.name not in run.loops:
        return None
    while node.name in run.loops:
        run.loops.popitem()
    return table_of(run)


def changes_of(run: ActiveRun, node: Node, failure: EngineError) -> dict[str, Any]:
    """What a failed step still assigns: its result, and what a soft fault changed."""
    changes: dict[str, Any] = {}
    try:
        if isinstance(failure, SoftFault):
            changes.update({name: wrap(value) for name, value in failure.outcome.changes.items()})
        if isinstance(failure, StepFailed) and failure.result is not None:
            changes.update(make_assign(node.code.output)(wrap(failure.result), run.scope))
    except ValueRefused as fault:
        run.log("warning", f"{node.name}: its result cannot be kept: {fault}")
    return changes
