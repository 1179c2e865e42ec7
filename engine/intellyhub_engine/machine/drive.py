"""The machine's inner loop: visit a state, record the step, go on.

Every tenth of a microsecond here is paid by every step of every run: records are built as plain tuples, the end of a
step is the begin of the next one's clock, and what a state does not need is not asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from intellyhub_engine.journal.records import RunStatus, StepFinished, StepStatus
from intellyhub_engine.machine.masking import mask
from intellyhub_engine.machine.states.failures import fail_step
from intellyhub_engine.machine.states.node import Suspends, UnknownState

if TYPE_CHECKING:
    from intellyhub_engine.machine.active import ActiveRun
    from intellyhub_engine.machine.states.node import Node

__all__ = ["drive"]

LOOK_EVERY = 64
"""Steps without effect between two looks at whether the run was cancelled; effects look by themselves. A power of 2."""
LAST_SHOWN = 6


def drive(run: ActiveRun) -> None:
    """Work until the run ends (`run.status` says how) or waits (`run.suspended` says for what).

    Raises JournalError; nothing else.
    """
    nodes, clock, append = run.nodes.table, run.host.now_ns, run.append
    make, kind, succeeded, no_events = tuple.__new__, StepFinished, StepStatus.SUCCEEDED, ()
    scope, origin, target = run.scope, run.origin, run.state
    warnings = scope.warnings
    node: Node | None = None
    started = run.started_ns or clock()
    for seq in range(run.seq + 1, run.limit + 1):
        if target is None or target == origin:
            break
        run.seq, run.started_ns = seq, started
        try:
            try:
                node = nodes[target]
            except KeyError:
                node = run.nodes.at(target)
            if not seq & (LOOK_EVERY - 1):
                run.family.stop_if_told()
            target, changes = node.advance(run)
        except Suspends as waits:
            run.status, run.suspended = RunStatus.WAITING, waits.suspended
            return
        except UnknownState as unknown:
            end_at_unknown(run, unknown)
            return
        except Exception as fault:  # noqa: BLE001 - whatever a state raises fails its step
            assert node is not None
            target, changes = fail_step(run, node, fault), None
        if changes is None:
            started = clock()
        else:
            now = clock()
            append(
                make(
                    kind,
                    (seq, node.name, node.type, 1, succeeded, target, started, now, changes, None, None, no_events, ()),
                )
            )
            started = now
        if warnings:
            run.drain_warnings()
    else:
        if target is not None and target != origin:
            end_at_limit(run)
            return
    end(run, node)


def end(run: ActiveRun, node: Node | None) -> None:
    if node is not None:
        run.end_state = node.name
    if run.status is RunStatus.RUNNING:
        run.status = RunStatus.SUCCEEDED


def end_at_unknown(run: ActiveRun, unknown: UnknownState) -> None:
    """A target that no state has ends the run as failed; `error` is how flows say just that (section 1.5)."""
    last = run.last_state()
    told = run.scope.get("error_message") if unknown.name == "error" else ""
    if not told:
        place = f"the state {last!r} goes to" if last else "the run begins at"
        told = f"{place} {unknown.name!r}, which the flow does not have"
    run.seq -= 1
    run.status, run.end_state, run.error = RunStatus.FAILED, last, mask(str(told), run.family.secrets)
    run.log("error", run.error)


def end_at_limit(run: ActiveRun) -> None:
    """The flow visited more states than it may."""
    last = [entry.state for entry in run.entries[-4 * LAST_SHOWN :] if isinstance(entry, StepFinished)][-LAST_SHOWN:]
    run.status, run.end_state = RunStatus.FAILED, last[-1] if last else None
    run.error = (
        f"the run was stopped after {run.limit} steps, the last of them {' -> '.join(last)}: if the flow is meant to "
        f"take more, raise its max_steps (or --max-steps); else a loop in it does not end"
    )
    run.log("error", run.error)
