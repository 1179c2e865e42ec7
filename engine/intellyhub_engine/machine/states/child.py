"""One child run after another, or several at once: found where they exist, made where they do not."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.records import RunStart, RunStatus
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.values.values import wrap
from intellyhub_engine.machine.active import ActiveRun
from intellyhub_engine.machine.copies import earlier_child, go_on_from
from intellyhub_engine.machine.hiding import hide_start
from intellyhub_engine.machine.identity import attempt_key, make_child_id
from intellyhub_engine.machine.lifecycle import can_go_on, carry, make_run, restore

if TYPE_CHECKING:
    from intellyhub_engine.language.expressions.codes import Code
    from intellyhub_engine.language.program import Program
    from intellyhub_engine.language.values.scope import Scope

__all__ = ["Job", "work"]


@dataclass(frozen=True)
class Job:
    """What one child run is to do."""

    key: str
    """The last part of its id."""
    state: str | None
    """Where it begins; None at the start of its program."""
    origin: str | None = None
    base: Scope | None = None
    """The variables it sees: its parent's, as they are while the parent waits. None for another flow."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    program: Program | None = None
    """None is the parent's."""
    collect: Code | None = None
    """Evaluated in its variables when it ends; the result is its answer."""


def work(parent: ActiveRun, jobs: Sequence[Job], concurrency: int) -> list[ActiveRun]:
    """The child runs in the order of the jobs, each ended or waiting. After a failure no further one begins."""
    if concurrency == 1 or len(jobs) == 1:
        return one_by_one(parent, jobs)
    from concurrent.futures import ThreadPoolExecutor

    failed = threading.Event()
    with ThreadPoolExecutor(min(concurrency, len(jobs)) or 1, thread_name_prefix="intellyhub-child") as pool:
        futures = [pool.submit(run_one, parent, job, failed) for job in jobs]
        children = [future.result() for future in futures]
    return [child for child in children if child is not None]


def one_by_one(parent: ActiveRun, jobs: Sequence[Job]) -> list[ActiveRun]:
    failed = threading.Event()
    children = (run_one(parent, job, failed) for job in jobs)
    return [child for child in children if child is not None]


def run_one(parent: ActiveRun, job: Job, failed: threading.Event) -> ActiveRun | None:
    """None when another child has failed before this one began."""
    if failed.is_set():
        return None
    try:
        child = open_child(parent, job)
        if child.status is RunStatus.RUNNING:
            carry(child)
    except BaseException:
        failed.set()
        raise
    if child.status in (RunStatus.FAILED, RunStatus.CANCELLED):
        failed.set()
    return child


def open_child(parent: ActiveRun, job: Job) -> ActiveRun:
    """The child of this step: as the journal knows it, or new. An attempt of the step after a failed one makes those
    children again that did not succeed, and only those."""
    for attempt in range(1, parent.attempt + 1):
        child = open_attempt(parent, job, attempt)
        if child.status not in UNDONE or attempt == parent.attempt:
            return child
    raise AssertionError("an attempt counts from 1")


UNDONE = (RunStatus.FAILED, RunStatus.CANCELLED)


def open_attempt(parent: ActiveRun, job: Job, attempt: int) -> ActiveRun:
    """The first attempt of a run that repeats another (its event came again) goes on from that one's child."""
    program = job.program or parent.program
    run_id = make_child_id(parent.start.run_id, parent.seq, attempt_key(job.key, attempt))
    journal = parent.host.journal
    if attempt == 1 and journal is not None and parent.keeps:
        earlier = earlier_child(journal, parent.start, parent.seq, job.key)
        if earlier is not None:
            run_id = go_on_from(earlier, program, parent.host, journal, parent.start.run_id, run_id)
    start = RunStart(
        run_id=run_id,
        flow=program.head.name,
        version=program.head.digest,
        started_ns=parent.host.now_ns(),
        event=parent.start.event if job.base is not None else None,
        variables=wrap(job.variables),
        parent_id=parent.start.run_id,
        state=job.state,
    )
    return make_child(parent, job, program, start)


def make_child(parent: ActiveRun, job: Job, program: Program, start: RunStart) -> ActiveRun:
    host, history, idle = parent.host, None, False
    if parent.keeps and host.journal is not None:
        history = host.journal.begin(hide_start(start, host.secrets), owner=host.owner, lease_seconds=0)
        idle = history.status is RunStatus.WAITING and not can_go_on(history, parent.family)
        if history.status is RunStatus.WAITING and not idle:
            history = host.journal.claim(start.run_id, owner=host.owner, lease_seconds=0)
    nodes = parent.nodes.of(program)
    child = make_run(program, history.start if history else start, parent.family, nodes=nodes, base=job.base)
    child.depth, child.origin = parent.depth + 1, job.origin
    child.keeps, child.durable = parent.keeps and child.keeps, parent.durable and child.durable
    child.collect = link(job.collect) if job.collect is not None else None
    if history is not None:
        restore(child, history)
    if idle:
        child.status, child.suspended = RunStatus.WAITING, child.waking
    return child
