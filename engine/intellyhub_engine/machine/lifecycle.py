"""A run from its record to its end: its first variables, its place, the work, what is made durable."""

from __future__ import annotations

import re
from collections.abc import Container, Set
from contextlib import suppress
from typing import TYPE_CHECKING

from intellyhub_engine.errors import FlowInvalid, JournalError, LeaseLost, StepFailed
from intellyhub_engine.journal.records import RunHistory, RunStart, RunStatus
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import revive, wrap
from intellyhub_engine.machine.active import ActiveRun, Family, RecordRefused
from intellyhub_engine.machine.drive import drive
from intellyhub_engine.machine.hiding import reveal_entry, reveal_start
from intellyhub_engine.machine.masking import mask, sounds_secret
from intellyhub_engine.machine.recovery import Place, fold
from intellyhub_engine.machine.states.waiting import is_due, is_woken_by

if TYPE_CHECKING:
    from intellyhub_engine.language.program import Program
    from intellyhub_engine.machine.host import Host
    from intellyhub_engine.machine.states.nodes import Nodes

__all__ = ["can_go_on", "carry", "make_run", "restore"]


def make_run(
    program: Program, start: RunStart, family: Family, *, nodes: Nodes, base: Scope | None = None
) -> ActiveRun:
    """A run at its beginning. With `base`, the parent's variables, it is a part of its parent's flow."""
    host = family.host
    start = reveal_start(start, host.secrets)
    if base is not None:
        scope = Scope(dict(start.variables), outer=base, now_ns=host.now_ns)
        return ActiveRun(program, host, nodes, start, scope, family)
    run = ActiveRun(program, host, nodes, start, Scope(outer=host.outer, now_ns=host.now_ns), family)
    try:
        fill(run.scope, program, start, host, nodes)
    except (StepFailed, FlowInvalid) as fault:
        run.doom = f"the variables of the run cannot be made: {fault}"
    return run


def fill(scope: Scope, program: Program, start: RunStart, host: Host, nodes: Nodes) -> None:
    """The first variables. What the caller gave wins over the event, that over the author's block, which may use both;
    the block is resolved as of the run's start, so that it is the same when the run is resumed."""
    head = program.head
    if start.event is not None:
        reserved = Reserved(host.outer.keys() | settled_names(program), head.variables)
        project = nodes.projection
        names = project(start.event, reserved=reserved)
        if not project.knows_source:
            names = {name: value for name, value in names.items() if name == "event" or name not in reserved}
        scope.update(names)
    scope.update(start.variables)
    if head.variables:
        from intellyhub_engine.language.values.variables import resolve_variables

        codes = program.prelude.variables
        block = {name: code for name, code in codes.items() if not scope.own(name)}
        scope.now_ns = lambda: start.started_ns
        resolved = resolve_variables(block, scope)
        scope.now_ns = host.now_ns
        scope.update(resolved)


class Reserved:
    """Names that the sender of an event does not choose: some that are known, and every one written as settings are
    (`SMTP_SERVER`, `OPENAI_BASE_URL`), which functions look up where a state does not say; but for the author's own."""

    def __init__(self, names: Set[str], own: Container[str]) -> None:
        self._names = names
        self._own = own

    def __contains__(self, name: object) -> bool:
        return name in self._names or (
            isinstance(name, str) and name not in self._own and SETTING.fullmatch(name) is not None
        )


SETTING = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")


def settled_names(program: Program) -> set[str]:
    """Entries of the author's block that the sender of an event does not choose, nor names of the surroundings: those
    that sound secret and those made of other values. A constant is a default, which a webhook's body may replace."""
    if not program.head.variables:
        return set()
    codes = program.prelude.variables
    return {name for name, code in codes.items() if code.kind != "constant" or sounds_secret(name)}


def restore(run: ActiveRun, history: RunHistory) -> Place:
    """Bring a run to where its entries left it."""
    entries = [reveal_entry(entry, run.host.secrets, run.program.name) for entry in history.entries]
    place = fold(entries)
    types = run.host.catalogue.values
    run.scope.update({name: revive(value, types) for name, value in place.changes.items()})
    for name in place.removed:
        run.scope.pop(name, None)
    run.entries.extend(entries)
    run.flushed = len(run.entries)
    run.family.count(run.start.run_id, entries)
    run.seq, run.attempt, run.began, run.started_ns = place.seq, place.attempt, place.began, place.started_ns
    run.loops = place.loops
    for loop in run.loops.values():
        loop.items, loop.results = revive(loop.items, types), revive(loop.results, types)
    if place.last is not None or place.began is not None:
        run.state = place.state
    run.waking = place.suspended
    run.status = history.status if history.status is not RunStatus.WAITING else RunStatus.RUNNING
    if place.finished is not None:
        end = place.finished
        run.end_state, run.error, run.output = end.end_state, end.error, revive(end.output, types)
    elif place.last is not None:
        run.end_state = place.last.state
    return place


def can_go_on(history: RunHistory, family: Family) -> bool:
    """Whether a waiting run has something to do now: its time has come, or something is delivered to it or below it."""
    waited = fold(history.entries).suspended
    if waited is None or is_due(waited, family.host.now_ns()):
        return True
    run_id = history.start.run_id
    delivery = family.deliveries.get(run_id)
    if delivery is not None:
        return is_woken_by(waited, delivery)
    return any(other.startswith(f"{run_id}.") for other in family.deliveries)


def carry(run: ActiveRun) -> None:
    """Work until the run ends or waits, and make that durable. Whatever stops the work otherwise gives the run back."""
    try:
        try:
            if run.doom is None:
                drive(run)
                collect(run)
            else:
                run.status, run.error = RunStatus.FAILED, mask(run.doom, run.family.secrets)
            run.close()
        except RecordRefused as fault:
            run.give_up(fault)
            run.close()
    except BaseException as fault:
        release(run, fault)
        raise
    finally:
        if run.depth == 0:
            run.host.keeper.forget(run.family)


def collect(run: ActiveRun) -> None:
    """The answer of a child run that ended well."""
    if run.collect is None or run.status is not RunStatus.SUCCEEDED:
        return
    try:
        run.output = wrap(run.collect(run.scope))
    except StepFailed as fault:
        run.status, run.error = RunStatus.FAILED, mask(f"collect: {fault}", run.family.secrets)


def release(run: ActiveRun, fault: BaseException) -> None:
    """Another worker may go on at once."""
    journal = run.host.journal
    if run.depth == 0 and run.keeps and journal is not None and not isinstance(fault, LeaseLost):
        with suppress(JournalError):
            journal.release(run.start.run_id, owner=run.host.owner)
