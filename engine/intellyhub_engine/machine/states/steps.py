"""The record of a step that ended: its place in the loops, its changes, what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.journal.records import StepFinished, StepStatus
from intellyhub_engine.language.model import CONTINUE
from intellyhub_engine.machine.active import JUMPS, NOTHING

if TYPE_CHECKING:
    from intellyhub_engine.events import Event
    from intellyhub_engine.machine.active import ActiveRun
    from intellyhub_engine.machine.states.node import Node

__all__ = ["finish", "table_of"]


def finish(
    run: ActiveRun,
    node: Node,
    status: StepStatus,
    target: str | None,
    changes: Mapping[str, Any],
    *,
    error: str | None = None,
    loops: Mapping[str, Any] | None = None,
    emitted: tuple[Event, ...] = (),
    removed: tuple[str, ...] = (),
) -> str | None:
    """Record a finished attempt. Gives the state that is really next: `continue_loop` and `break_loop` are resolved."""
    if target in JUMPS:
        target, gathered, left = land(run, target)
        if gathered:
            changes = {**changes, **gathered}
        loops = left if loops is None else loops
    run.append(
        StepFinished(
            seq=run.seq,
            state=node.name,
            type=node.type,
            attempt=run.attempt,
            status=status,
            next=target,
            started_ns=run.started_ns,
            finished_ns=run.host.now_ns(),
            changes=changes,
            error=error,
            loops=loops,
            emitted=emitted,
            removed=removed,
        )
    )
    run.attempt = 1
    return target


def land(run: ActiveRun, target: str | None) -> tuple[str | None, Mapping[str, Any], Mapping[str, Any] | None]:
    """The state a jump means, what leaving a loop changes, and the table of loops where it changed.

    Outside every loop a jump ends the run: in a child run, the pass is over.
    """
    gathered: dict[str, Any] = {}
    left = False
    while target in JUMPS:
        if not run.loops:
            return None, gathered, table_of(run) if left else None
        name = next(reversed(run.loops))
        if target == CONTINUE:
            return name, gathered, table_of(run) if left else None
        leave, left = run.nodes.at(name).leave, True
        assert leave is not None
        target, more = leave(run, run.loops.pop(name))
        gathered.update(more)
        run.scope.update(more)
    return target, gathered or NOTHING, table_of(run) if left else None


def table_of(run: ActiveRun) -> dict[str, Any]:
    """The active loops as the journal keeps them; the record of the step that entered a loop has its items besides."""
    return {name: {"index": loop.index} for name, loop in run.loops.items()}
