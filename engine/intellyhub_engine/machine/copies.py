"""Runs that begin where another one stood: forks, and the repetition of a run that failed for a passing reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import InputInvalid, RunNotFound
from intellyhub_engine.journal.records import Entry, RunHistory, RunStart, RunStatus, StepFinished, StepStatus
from intellyhub_engine.machine.hiding import hide_entry, hide_start
from intellyhub_engine.machine.identity import attempt_key, is_repeat, make_child_id
from intellyhub_engine.machine.recovery import fold, prefix

if TYPE_CHECKING:
    from intellyhub_engine.journal.journal import Journal
    from intellyhub_engine.language.program import Program
    from intellyhub_engine.machine.host import Host

__all__ = ["begin", "begin_again", "copy", "earlier_child", "failed_for_now", "go_on_from"]


def failed_for_now(history: RunHistory) -> bool:
    """Whether a redelivery of the event may go on from the step that failed."""
    last = fold(history.entries).last
    return history.status is RunStatus.FAILED and last is not None and last.status is StepStatus.RETRYING


def begin_again(program: Program, host: Host, journal: Journal, failed: RunHistory) -> RunHistory:
    """The run that repeats the failed step of another: made once, however often the event comes."""
    last = fold(failed.entries).last
    assert last is not None
    name, _, count = failed.start.run_id.partition("~")
    return copy(program, host, journal, failed, last.seq, f"{name}~{int(count or 0) + 1}", {})


def copy(
    program: Program,
    host: Host,
    journal: Journal,
    history: RunHistory,
    seq: int,
    run_id: str,
    variables: Mapping[str, Any],
    *,
    parent_id: str | None = None,
) -> RunHistory:
    """A run that has done what another did before step `seq`; found, if it has been made before. With `parent_id` it is
    a child, held as long as its parent is."""
    kept = prefix(history.entries, seq)
    place = fold(kept)
    state = place.state if place.last is not None else history.start.state or program.start
    steps = max((entry.seq for entry in history.entries if isinstance(entry, StepFinished)), default=0)
    if not 1 <= seq <= steps + 1 or state is None:
        raise InputInvalid(f"the run {history.start.run_id} has {steps} steps: there is no step {seq} to begin at")
    if missing := [name for name in (state, *place.loops) if name not in program]:
        raise InputInvalid(f"the flow {program.name!r} has no state {missing[0]!r}, where the run stood")
    copied = edited(kept, variables) if kept else []
    return begin(
        host,
        journal,
        replace(
            history.start,
            run_id=run_id,
            parent_id=parent_id,
            version=program.digest,
            started_ns=host.now_ns(),
            state=state if not kept else history.start.state,
            variables={**history.start.variables, **({} if kept else variables)},
            copied_from=(history.start.run_id, seq),
        ),
        lease_seconds=host.lease_seconds if parent_id is None else 0,
        entries=[hide_entry(entry, host.secrets, program.name) for entry in copied],
    )


def begin(
    host: Host,
    journal: Journal,
    first: RunStart,
    *,
    lease_seconds: float | None = None,
    entries: Sequence[Entry] = (),
) -> RunHistory:
    """Make the run durable with what it begins with, or find it; what the caller gave holds no secret there."""
    hidden = hide_start(first, host.secrets)
    lease = host.lease_seconds if lease_seconds is None else lease_seconds
    return journal.begin(hidden, owner=host.owner, lease_seconds=lease, entries=entries)


def earlier_child(journal: Journal, parent: RunStart, seq: int, key: str) -> RunHistory | None:
    """The child that step `seq` made for `key` when the event came before; None where `parent` repeats no run in that
    step. A fork that a person made repeats none: its steps are done anew."""
    run = parent
    while run.copied_from is not None and run.copied_from[1] == seq and is_repeat(run.run_id, run.copied_from[0]):
        found = last_attempt(journal, run.copied_from[0], seq, key)
        if found is not None:
            return found
        run = journal.history(run.copied_from[0]).start
    return None


def last_attempt(journal: Journal, parent_id: str, seq: int, key: str) -> RunHistory | None:
    found, attempt = None, 1
    while True:
        try:
            found = journal.history(make_child_id(parent_id, seq, attempt_key(key, attempt)))
        except RunNotFound:
            return found
        attempt += 1


def go_on_from(earlier: RunHistory, program: Program, host: Host, journal: Journal, parent_id: str, run_id: str) -> str:
    """The id of the child that takes an earlier one's place: itself where there is nothing left to do, else a copy that
    begins at the step which did not succeed."""
    if earlier.status is RunStatus.SUCCEEDED:
        return earlier.start.run_id
    place = fold(earlier.entries)
    undone = place.last is not None and place.last.status is not StepStatus.SUCCEEDED and place.state is None
    seq = place.seq if undone else place.seq + 1
    if place.last is None or place.state is not None or undone:
        copy(program, host, journal, earlier, seq, run_id, {}, parent_id=parent_id)
        return run_id
    return earlier.start.run_id


def edited(entries: list[Any], variables: Mapping[str, Any]) -> list[Any]:
    """The entries, with the variables as the last thing that was assigned."""
    last = max(index for index, entry in enumerate(entries) if isinstance(entry, StepFinished))
    entry = entries[last]
    removed = tuple(name for name in entry.removed if name not in variables)
    changed = entry._replace(changes={**entry.changes, **variables}, removed=removed)
    return [*entries[:last], changed, *entries[last + 1 :]]
