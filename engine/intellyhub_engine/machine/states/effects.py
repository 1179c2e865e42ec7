"""States performed by functions of the catalogue: write-ahead, the call, what its result changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError, StepTimedOut
from intellyhub_engine.journal.records import StepStatus
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.values.values import wrap
from intellyhub_engine.machine.calling import RunFlows
from intellyhub_engine.machine.remembering import FlowMemory
from intellyhub_engine.machine.spending import RunSpending
from intellyhub_engine.machine.states.aiming import find_target
from intellyhub_engine.machine.states.deadlines import perform_within
from intellyhub_engine.machine.states.failures import SoftFault, error_target_of
from intellyhub_engine.machine.states.node import Move, Node, success_target
from intellyhub_engine.machine.states.outputs import make_assign
from intellyhub_engine.machine.states.parameters import make_resolver
from intellyhub_engine.machine.states.steps import finish
from intellyhub_engine.machine.step import Outcome, Perform, Step

if TYPE_CHECKING:
    from intellyhub_engine.catalogue.manifest import StateType
    from intellyhub_engine.language.program import StateCode
    from intellyhub_engine.machine.active import ActiveRun
    from intellyhub_engine.machine.states.nodes import Nodes

__all__ = ["complete", "make_effect", "make_step"]


def make_effect(code: StateCode, nodes: Nodes) -> Node:
    """A state whose type the catalogue performs. Its function is imported here, at the first visit."""
    kind = nodes.catalogue.states.get(code.type)
    perform = perform_of(code, kind)
    effect = kind is None or kind.effect
    resolve = make_resolver(code, kind)
    timeout = code.timeout_seconds

    def advance(run: ActiveRun) -> Move:
        parameters = resolve(run)
        if effect:
            run.begin_effect(code.name, code.type)
        step = make_step(run, code)
        run.speaks = effect
        try:
            result = (
                perform(parameters, step) if timeout is None else perform_within(perform, parameters, step, timeout)
            )
        except TimeoutError as fault:
            raise StepTimedOut(str(fault) or "the other side did not answer in time") from fault
        finally:
            run.fall_silent()
        return complete(run, node, result)

    node = Node(code, advance, error_target=error_target_of(code, nodes), pure=False)
    return node


def perform_of(code: StateCode, kind: StateType | None) -> Perform:
    """The function itself. Raises PermanentError where this installation has none."""
    if kind is None or kind.load is None or not kind.installed:
        known = "is known, but not part of this installation" if kind else "is not known here"
        raise PermanentError(f"the state type {code.type!r} {known}: install the package that brings it")
    return kind.load()


def complete(run: ActiveRun, node: Node, result: Any) -> Move:
    """Take over what a function gave back, and record the step. Raises SoftFault."""
    outcome = result if type(result) is Outcome else None
    if outcome is not None and outcome.usage:
        run.spend(outcome.usage)
    if outcome is not None and outcome.fault is not None:
        raise SoftFault(outcome)
    changes: dict[str, Any] = {}
    removed: tuple[str, ...] = ()
    if outcome is not None:
        changes.update((name, wrap(value)) for name, value in outcome.changes.items())
        removed = tuple(name for name in outcome.removed if run.scope.own(name) and name not in changes)
        result = outcome.value
    if node.code.output is not None:
        changes.update(make_assign(node.code.output)(wrap(result), run.scope))
    run.scope.update(changes)
    for name in removed:
        del run.scope[name]
    chosen = outcome.goes_to if outcome is not None else None
    target = success_target(node.code) if chosen is None else find_target(run, node, chosen)
    return finish(run, node, StepStatus.SUCCEEDED, target, changes, removed=removed), None


def make_step(run: ActiveRun, code: StateCode) -> Step:
    """What the function is told about its visit."""
    host, program = run.host, run.program
    ties = run.ties
    if ties is None:
        ties = run.ties = (FlowMemory(run), RunSpending(run), RunFlows(run))
    return Step(
        run_id=run.start.run_id,
        flow=program.head.name,
        state=code.name,
        seq=run.seq,
        attempt=run.attempt,
        scope=run.scope,
        timeout_seconds=code.timeout_seconds,
        cancelled=run.family.cancelled,
        workspace=host.workspace,
        log=run.log,
        event=run.start.event,
        listener=listener_of(run),
        memory=ties[0],
        spending=ties[1],
        flows=ties[2],
        services=host.services,
        targets=code.targets,
        output=code.output,
    )


def listener_of(run: ActiveRun) -> Mapping[str, Any]:
    """The listener's parameters, resolved once per run."""
    if run.listener is None:
        program = run.program
        run.listener = link(program.prelude.listener)(run.scope) if program.head.listener else {}
    return run.listener or {}
