"""States that work through child runs: parallel branches, mapped loops, calls of other flows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import InputUnfit, PermanentError, RetryableError, StepTimedOut
from intellyhub_engine.journal.records import RunStatus, RunSuspended, RunWoken, StepStatus, Used, total_of
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.values.values import text_of, wrap
from intellyhub_engine.machine.active import ActiveRun
from intellyhub_engine.machine.arrival import refuse_unfit
from intellyhub_engine.machine.states.child import Job, work
from intellyhub_engine.machine.states.failures import error_target_of
from intellyhub_engine.machine.states.node import Move, Node, Suspends, success_target
from intellyhub_engine.machine.states.outputs import make_assign
from intellyhub_engine.machine.states.parameters import make_resolver
from intellyhub_engine.machine.states.steps import finish

if TYPE_CHECKING:
    from intellyhub_engine.language.expressions.codes import Code
    from intellyhub_engine.language.program import Program, StateCode
    from intellyhub_engine.language.values.scope import Scope
    from intellyhub_engine.machine.states.nodes import Nodes

__all__ = ["MAX_DEPTH", "make_call", "make_mapped", "make_parallel", "refuse_call"]

MAX_DEPTH = 16
"""How deep flows may call one another, and branches may nest."""
CONCURRENCY = 8
"""Child runs at once, where the state says no number."""
MAX_CONCURRENCY = 64
MAX_ITEMS = 100_000


def make_parallel(code: StateCode, nodes: Nodes) -> Node:
    """Every branch in a child run. What branches assign is the parent's afterwards, in the order of the branches."""
    branches = [(label.removeprefix("branch:"), name) for label, name in code.targets.items() if is_branch(label)]
    bound, collect = concurrency_of(code.codes.get("concurrency")), code.codes.get("collect")
    assign = make_assign(code.output)

    def advance(run: ActiveRun) -> Move:
        jobs = [Job(key, state, origin=code.name, base=run.scope, collect=collect) for key, state in branches]
        children = run_children(run, code, jobs, bound(run.scope))
        changes: dict[str, Any] = {}
        for child in children:
            changes.update(child.scope)
        answers = {key: answer_of(child, collect) for (key, _), child in zip(branches, children, strict=True)}
        changes.update(assign(wrap(answers), run.scope))
        return settle(run, node, success_target(code), changes)

    node = Node(code, advance, error_target=error_target_of(code, nodes), pure=False)
    return node


def make_mapped(code: StateCode, nodes: Nodes, items_of: Callable[[Any, str], list[Any] | int]) -> Node:
    """Every item in a child run, in which the body ends where it would end a pass. Items see the parent's variables;
    what they assign stays theirs, but for what `collect` takes (or the answer of an `end`)."""
    codes = code.codes
    if "items" not in codes:
        raise PermanentError(f"the loop {code.name!r} has concurrency, but no items")
    items, bound, collect = link(codes["items"]), concurrency_of(codes["concurrency"]), codes.get("collect")
    item_var = codes["item_var"].body if "item_var" in codes else "item"
    body, done = code.targets.get("body"), code.targets.get("done", code.targets.get("next"))
    if body is None:
        raise PermanentError(f"the loop {code.name!r} has no body")
    assign = make_assign(code.output)

    def advance(run: ActiveRun) -> Move:
        found = items_of(items(run.scope), code.name)
        listed = list(range(min(found, MAX_ITEMS + 1))) if isinstance(found, int) else found
        if len(listed) > MAX_ITEMS:
            raise PermanentError(
                f"{code.name!r} maps over more than {MAX_ITEMS:,} items: use a loop without concurrency"
            )
        jobs = [
            Job(
                str(index),
                body,
                origin=code.name,
                base=run.scope,
                variables={item_var: item, "index": index, "loop_index": index},
                collect=collect,
            )
            for index, item in enumerate(listed)
        ]
        children = run_children(run, code, jobs, bound(run.scope))
        answers = [answer_of(child, collect) for child in children]
        return settle(run, node, done, assign(answers, run.scope))

    node = Node(code, advance, error_target=error_target_of(code, nodes), pure=False)
    return node


def make_call(code: StateCode, nodes: Nodes) -> Node:
    """Another flow in a child run: it sees its input, not the caller's variables."""
    resolve = make_resolver(code, nodes.catalogue.states.get(code.type))
    assign = make_assign(code.output)

    def advance(run: ActiveRun) -> Move:
        parameters = resolve(run)
        name, given = text_of(parameters["flow"]), parameters.get("input") or {}
        if not isinstance(given, dict):
            raise PermanentError(f"the input of {code.name!r} must be a mapping of variable to value")
        program = run.host.find_flow(name) if run.host.find_flow else None
        if program is None:
            raise PermanentError(unknown_flow(code.name, name, tested=nodes.mocks is not None))
        if nodes.mocks is None:
            refuse_call(program, given)
        (child,) = run_children(run, code, [Job("call", None, program=program, variables=given)], 1)
        return settle(run, node, success_target(code), assign(answer_of(child, None), run.scope))

    node = Node(code, advance, error_target=error_target_of(code, nodes), pure=False)
    return node


def refuse_call(program: Program, given: Mapping[str, Any]) -> None:
    """Raise PermanentError where a call does not fit the `input` of the flow that is called."""
    try:
        refuse_unfit(program, given)
    except InputUnfit as fault:
        raise PermanentError(str(fault)) from fault


def unknown_flow(state: str, flow: str, *, tested: bool) -> str:
    fact = f"{state!r} calls the flow {flow!r}, which is not known here"
    return f"{fact}: give the test a mock for it, mocks: {{{state}: <its answer>}}" if tested else fact


def is_branch(label: str) -> bool:
    return label.startswith("branch:")


def settle(run: ActiveRun, node: Node, target: str | None, changes: Mapping[str, Any]) -> Move:
    run.scope.update(changes)
    return finish(run, node, StepStatus.SUCCEEDED, target, changes), None


def answer_of(child: ActiveRun, collect: Code | None) -> Any:
    """What `collect` gave; else what the child's `end` answered; else the variables it assigned."""
    if collect is not None or child.output is not None:
        return child.output
    return wrap({name: value for name, value in child.scope.items() if name not in child.start.variables})


def concurrency_of(code: Code | None) -> Callable[[Scope], int]:
    """How many children run at once: the number given, else as many as are usual."""
    if code is None:
        return lambda scope: CONCURRENCY
    give = link(code)

    def bound(scope: Scope) -> int:
        value = give(scope)
        text = text_of(value).strip().lower()
        if isinstance(value, bool) or text in ("true", "false", ""):
            return 1 if text == "false" else CONCURRENCY
        try:
            return max(1, min(int(float(text)), MAX_CONCURRENCY))
        except (ValueError, OverflowError) as fault:
            raise PermanentError(f"concurrency must be a number or true, not {text!r}") from fault

    return bound


def run_children(run: ActiveRun, code: StateCode, jobs: Sequence[Job], concurrency: int) -> list[ActiveRun]:
    """Every job's child run, ended well, in order. Raises what the first failed one failed with; Suspends while some of
    them wait."""
    if run.depth >= MAX_DEPTH:
        raise PermanentError(f"{code.name!r} would nest runs more than {MAX_DEPTH} deep: does a flow call itself?")
    waited, run.waking = run.waking, None
    if waited is not None:
        note_waking(run, waited)
    run.begin_effect(code.name, code.type)
    children = work(run, jobs, concurrency)
    sum_up(run, children)
    run.family.stop_if_told()
    if any(child.status in (RunStatus.FAILED, RunStatus.CANCELLED) for child in children):
        cancel_waiting(children)
    for child in children:
        raise_failure(child)
    waits = [child.suspended for child in children if child.suspended is not None]
    if waits:
        deadline = deadline_of(run, code)
        if deadline is not None and run.host.now_ns() >= deadline:
            cancel_waiting(children)
            raise StepTimedOut(f"{len(waits)} of its runs still waited after {code.timeout_seconds:g} s")
        raise Suspends(together(run, code, waits, deadline))
    return children


def sum_up(run: ActiveRun, children: Sequence[ActiveRun]) -> None:
    """What child runs have spent is told in their parent's record too, once they are over."""
    known = {entry.child_id for entry in run.entries if type(entry) is Used}
    for child in children:
        amounts = total_of(entry.amounts for entry in child.entries if type(entry) is Used)
        if amounts and child.suspended is None and child.start.run_id not in known:
            run.append(Used(run.seq, run.attempt, amounts, run.host.now_ns(), child.start.run_id))


def note_waking(run: ActiveRun, waited: RunSuspended) -> None:
    """What wakes a run below this one is on record here first: should the worker die, this run no longer waits, and is
    taken up again; else nothing might ever wake it, as the one below has been woken already."""
    below = f"{run.start.run_id}."
    delivery = next((one for run_id, one in run.family.deliveries.items() if run_id.startswith(below)), None)
    if delivery is not None:
        run.append(RunWoken(waited.seq, waited.state, *delivery.key))
        run.write(durable=True)


def deadline_of(run: ActiveRun, code: StateCode) -> int | None:
    """When the step gives up on children that wait, counted from its begin."""
    return None if code.timeout_seconds is None else run.started_ns + int(code.timeout_seconds * 1e9)


def cancel_waiting(children: Sequence[ActiveRun]) -> None:
    """The step has failed: nobody waits for these any more."""
    for child in children:
        if child.suspended is not None and child.host.journal is not None:
            child.host.journal.request_cancel(child.start.run_id)


def raise_failure(child: ActiveRun) -> None:
    if child.status is RunStatus.CANCELLED:
        raise PermanentError(child.error or "the child run was cancelled")
    if child.status is RunStatus.FAILED:
        message = child.error or "a child run failed"
        if child.retry_after_seconds is not None:
            raise RetryableError(message, retry_after_seconds=child.retry_after_seconds)
        raise PermanentError(message)


def together(run: ActiveRun, code: StateCode, waits: Sequence[RunSuspended], deadline: int | None) -> RunSuspended:
    """The parent wakes when the first of its children can; events and answers are addressed to the children."""
    moments = [until for until in (deadline, *(waited.until_ns for waited in waits)) if until is not None]
    return RunSuspended(run.seq, code.name, min(moments, default=None), None, None)
