"""Runs that begin where another one stood: forks, and the repetition of a run that failed for a passing reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.journal.records import RunHistory, RunStart, RunStatus, StepFinished, StepStatus
from intellyhub_engine.machine.hiding import hide_entry, hide_start
from intellyhub_engine.machine.recovery import fold, prefix

if TYPE_CHECKING:
    from intellyhub_engine.journal.journal import Journal
    from intellyhub_engine.language.program import Program
    from intellyhub_engine.machine.host import Host

__all__ = ["begin", "begin_again", "copy", "failed_for_now"]


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
) -> RunHistory:
    """A run that has done what another did before step `seq`; found, if it has been made before."""
    kept = prefix(history.entries, seq)
    place = fold(kept)
    state = place.state if place.last is not None else history.start.state or program.start
    steps = max((entry.seq for entry in history.entries if isinstance(entry, StepFinished)), default=0)
    if not 1 <= seq <= steps + 1 or state is None:
        raise InputInvalid(f"the run {history.start.run_id} has {steps} steps: there is no step {seq} to begin at")
    if missing := [name for name in (state, *place.loops) if name not in program]:
        raise InputInvalid(f"the flow {program.name!r} has no state {missing[0]!r}, where the run stood")
    made = begin(
        host,
        journal,
        replace(
            history.start,
            run_id=run_id,
            version=program.digest,
            started_ns=host.now_ns(),
            state=state if not kept else history.start.state,
            variables={**history.start.variables, **({} if kept else variables)},
            copied_from=(history.start.run_id, seq),
        ),
    )
    if made.entries or not kept:
        return made
    entries = [hide_entry(entry, host.secrets, program.name) for entry in edited(kept, variables)]
    journal.record(run_id, entries, owner=host.owner, durable=True)
    return replace(made, entries=tuple(entries))


def begin(host: Host, journal: Journal, first: RunStart) -> RunHistory:
    """Make the run durable, or find it; what the caller gave holds no secret there."""
    hidden = hide_start(first, host.secrets)
    return journal.begin(hidden, owner=host.owner, lease_seconds=host.lease_seconds)


def edited(entries: list[Any], variables: Mapping[str, Any]) -> list[Any]:
    """The entries, with the variables as the last thing that was assigned."""
    last = max(index for index, entry in enumerate(entries) if isinstance(entry, StepFinished))
    entry = entries[last]
    removed = tuple(name for name in entry.removed if name not in variables)
    changed = entry._replace(changes={**entry.changes, **variables}, removed=removed)
    return [*entries[:last], changed, *entries[last + 1 :]]
