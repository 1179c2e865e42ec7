"""Runs: started by an event or a caller, resumed after a wait or a crash, replayed, forked from a step.

Every function works in the calling thread until the run ends or waits, and says how it came out. The journal's faults
(JournalError) pass through: the run then goes on from its last durable step as soon as someone resumes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import InputInvalid, LeaseLost, OtherVersion, RunNotFound
from intellyhub_engine.journal.records import RunHistory, RunStart, RunStatus
from intellyhub_engine.language.model import Durability
from intellyhub_engine.language.values.values import wrap
from intellyhub_engine.machine.active import ActiveRun, Delivery, Family
from intellyhub_engine.machine.arrival import receive
from intellyhub_engine.machine.copies import begin, begin_again, copy, failed_for_now
from intellyhub_engine.machine.delivery import Addressed, address, root_of
from intellyhub_engine.machine.identity import make_run_id
from intellyhub_engine.machine.lifecycle import can_go_on, carry, make_run, restore
from intellyhub_engine.machine.masking import mask, mask_entry
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.machine.states.nodes import Nodes, nodes_of

if TYPE_CHECKING:
    from intellyhub_engine.events import Event
    from intellyhub_engine.journal.journal import Journal
    from intellyhub_engine.language.program import Program
    from intellyhub_engine.machine.host import Host

__all__ = ["deliver", "fork", "replay", "resume", "start"]


def start(
    program: Program,
    host: Host,
    *,
    event: Event | None = None,
    variables: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    max_steps: int | None = None,
    mocks: Mapping[str, Any] | None = None,
) -> RunResult:
    """Run the flow. An event that was seen before finds its run: its result, if it has ended or waits; else the run
    goes on. A run that failed for a reason that may have passed is tried again from the step that failed.

    Raises InputUnfit for what does not fit the flow's `input`, InputInvalid for what a variable cannot hold, LeaseLost
    while another worker has the run.
    """
    if mocks is None:  # a flow's test touches nothing, and may begin anywhere
        event = receive(program, host, event, variables or {})
    first = RunStart(
        run_id=run_id or new_id(host),
        flow=program.name,
        version=program.digest,
        started_ns=host.now_ns(),
        event=event,
        variables=wrap(dict(variables)) if variables else {},
    )
    if host.journal is None or program.durability is Durability.NONE:
        nodes = nodes_of(program, host.catalogue) if mocks is None else Nodes(program, host.catalogue, mocks)
        return work(make_run(program, first, Family(host, first.run_id, {}), nodes=nodes), max_steps)
    history = repeated(program, host, begin(host, host.journal, first))
    return go_on(program, host, history, max_steps=max_steps, mocks=mocks)


def resume(
    program: Program,
    host: Host,
    run_id: str,
    *,
    event: Event | None = None,
    decision: Any = None,
    force: bool = False,
) -> RunResult:
    """Go on with a run whose time has come, whose event arrived, whose question was answered, or whose worker died. A
    child run's id wakes it through the run it belongs to. A run that still waits says so.

    Raises RunNotFound, LeaseLost; InputInvalid where the run does not wait for what is delivered, and where it began on
    another version of the flow, unless `force`.
    """
    given = event is not None or decision is not None
    result = wake(program, host, run_id, Delivery(event=event, decision=decision) if given else None, force=force)
    if result is None:
        raise InputInvalid(f"the run {run_id} does not wait for {'an answer' if event is None else 'this event'}")
    return result


def deliver(program: Program, host: Host, event: Event) -> Sequence[RunResult]:
    """Give the event to the runs of this flow that wait for it. Those that it has woken before are not woken again:
    they go on where they were interrupted, and tell how they stand. None where it is to make a run, or has made one.

    Raises LeaseLost while another worker has one of the runs, OtherVersion where all are of other versions.
    """
    if host.journal is None:
        return []
    found = host.journal.runs_of_event(event, flow=program.name)
    if found.begun is not None:
        return []
    results: dict[str, RunResult] = {}
    held: LeaseLost | None = None
    foreign: OtherVersion | None = None
    for run_id in (*found.waiting, *found.woken):
        try:
            result = wake(program, host, run_id, Delivery(event=event))
        except LeaseLost as fault:
            held = fault  # the others need not wait for it
        except OtherVersion as fault:
            foreign = fault
        except RunNotFound:
            continue
        else:
            if result is not None:
                results[result.run_id] = result
    if held is not None:
        raise held
    if foreign is not None and not results:
        raise foreign
    return list(results.values())


def wake(
    program: Program, host: Host, run_id: str, delivery: Delivery | None, *, force: bool = False
) -> RunResult | None:
    """As `resume`; None where the run does not wait for what is delivered, and never took it."""
    journal = journal_of(host)
    root = root_of(journal, run_id)
    addressed = Addressed({}) if delivery is None else address(journal, run_id, delivery)
    if addressed is None:
        return None
    program = program_of(root, program, host)
    if root.status not in (RunStatus.RUNNING, RunStatus.WAITING):
        return go_on(program, host, repeated(program, host, root) if addressed.is_repeat else root)
    if addressed.is_repeat and (not addressed.deliveries or delivery is None or delivery.event is None):
        return tell(program, host, root)
    refuse_other_version(program, root, force=force)
    family = Family(host, root.start.run_id, addressed.deliveries)
    if root.status is RunStatus.WAITING and not can_go_on(root, family):
        return tell(program, host, root)
    history = journal.claim(root.start.run_id, owner=host.owner, lease_seconds=host.lease_seconds)
    return go_on(program, host, history, family=family, force=force)


def repeated(program: Program, host: Host, history: RunHistory) -> RunHistory:
    """The run that goes on from the step where this one failed for a reason that may have passed; else this one."""
    while failed_for_now(history):
        history = begin_again(program, host, journal_of(host), history)
    return history


def tell(program: Program, host: Host, history: RunHistory) -> RunResult:
    """How a run stands, whoever has it."""
    family = Family(host, history.start.run_id, {})
    run = make_run(program, history.start, family, nodes=nodes_of(program, host.catalogue))
    restore(run, history)
    if history.status is RunStatus.WAITING:
        run.status, run.suspended = RunStatus.WAITING, run.waking
    return result_of(run)


def replay(
    program: Program, host: Host, run_id: str, *, variables: Mapping[str, Any] | None = None, copy_id: str | None = None
) -> RunResult:
    """A new run with the event and the variables of another, those given here first. `copy_id` is its id, if the caller
    has chosen one: the same again finds it."""
    journal = journal_of(host)
    other = root_of(journal, run_id).start
    again = replace(
        other,
        run_id=copy_id or new_id(host),
        version=program.digest,
        started_ns=host.now_ns(),
        variables={**other.variables, **wrap(dict(variables or {}))},
        copied_from=(other.run_id, 0),
    )
    history = begin(host, journal, again)
    return go_on(program, host, history)


def fork(
    program: Program,
    host: Host,
    run_id: str,
    seq: int,
    *,
    variables: Mapping[str, Any] | None = None,
    copy_id: str | None = None,
) -> RunResult:
    """A new run that begins where another stood before its step `seq`, with the variables it had then, those given here
    changed. The program may be another version: it needs the state of that step. `copy_id` is as in `replay`.

    Raises RunNotFound; InputInvalid where the run has no such step, the program no such state, or the run is a child.
    """
    journal = journal_of(host)
    history = journal.history(run_id)
    if history.start.parent_id is not None:
        raise InputInvalid(
            f"{run_id} is a child run: fork the run it belongs to, {root_of(journal, run_id).start.run_id}"
        )
    made = copy(program, host, journal, history, seq, copy_id or new_id(host), wrap(dict(variables or {})))
    return go_on(program, host, made)


def go_on(
    program: Program,
    host: Host,
    history: RunHistory,
    *,
    family: Family | None = None,
    max_steps: int | None = None,
    mocks: Mapping[str, Any] | None = None,
    force: bool = False,
) -> RunResult:
    """Work on a run that this host holds, a waiting one with what may wake its `family`; tell how any other stands."""
    running = history.status is RunStatus.RUNNING
    if not running and (family is None or history.status is not RunStatus.WAITING):
        return tell(program, host, history)
    if running:
        refuse_held_version(program, host, history, force=force)
    nodes = nodes_of(program, host.catalogue) if mocks is None else Nodes(program, host.catalogue, mocks)
    family = family or Family(host, history.start.run_id, {})
    run = make_run(program, history.start, family, nodes=nodes)
    restore(run, history)
    return work(run, max_steps)


def work(run: ActiveRun, max_steps: int | None) -> RunResult:
    if max_steps is not None:
        run.limit = max_steps
    carry(run)
    return result_of(run)


def result_of(run: ActiveRun) -> RunResult:
    """How it came out, as it may be shown."""
    secrets = run.family.secrets
    variables = dict(run.scope)
    return RunResult(
        run_id=run.start.run_id,
        status=run.status,
        end_state=run.end_state,
        error=run.error,
        variables=mask(variables, secrets) if secrets else variables,
        output=mask(run.output, secrets) if secrets else run.output,
        entries=[mask_entry(entry, secrets) for entry in run.entries] if secrets else run.entries,
        suspended=run.suspended,
        retry_after_seconds=run.retry_after_seconds,
    )


def program_of(root: RunHistory, program: Program, host: Host) -> Program:
    """The program of the run itself, where the one given is that of a child."""
    if root.start.flow == program.name:
        return program
    found = host.find_flow(root.start.flow) if host.find_flow else None
    if found is None:
        raise InputInvalid(f"the run {root.start.run_id} is one of the flow {root.start.flow!r}, not {program.name!r}")
    return found


def refuse_held_version(program: Program, host: Host, history: RunHistory, *, force: bool) -> None:
    try:
        refuse_other_version(program, history, force=force)
    except OtherVersion:
        journal_of(host).release(history.start.run_id, owner=host.owner)
        raise


def refuse_other_version(program: Program, history: RunHistory, *, force: bool) -> None:
    if history.start.version != program.digest and not force:
        raise OtherVersion(
            f"the run {history.start.run_id} began on the version {history.start.version or '(none)'} of the flow "
            f"{history.start.flow!r}, this is {program.digest or '(none)'}: "
            "resume it with that version, fork it, or force it",
            version=history.start.version,
        )


def journal_of(host: Host) -> Journal:
    if host.journal is None:
        raise InputInvalid("there is no journal to find the run in: name one")
    return host.journal


def new_id(host: Host) -> str:
    return make_run_id(host.now_ns(), host.random_bytes(10))
