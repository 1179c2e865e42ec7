"""Runs that a journal already knows: going on, again from the start, or again from one step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.cli.inputs import STANDARD_INPUT
from intellyhub_engine.cli.programs import LoadedFlow, compile_loaded, load_file, load_text
from intellyhub_engine.cli.running import make_progress, perform, show_result
from intellyhub_engine.cli.session import Display, Session
from intellyhub_engine.cli.stage import Stage
from intellyhub_engine.cli.summary import exit_of
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.result import RunResult

if TYPE_CHECKING:
    from intellyhub_engine.events import Event
    from intellyhub_engine.language.program import Program

__all__ = ["continue_run", "find_flow", "fork_run", "replay_run"]

Work = Callable[["Program", Host], RunResult]


def continue_run(
    session: Session,
    stage: Stage,
    run_id: str,
    *,
    event: Event | None,
    decision: Any,
    flow: str | None,
    display: Display,
) -> int:
    """Go on with a run."""
    from intellyhub_engine.machine.run import resume

    def work(program: Program, host: Host) -> RunResult:
        return resume(program, host, run_id, event=event, decision=decision, force=flow is not None)

    return carry_out(session, stage, run_id, work, {}, flow=flow, display=display)


def replay_run(
    session: Session,
    stage: Stage,
    run_id: str,
    variables: Mapping[str, Any],
    *,
    flow: str | None,
    display: Display,
) -> int:
    """Run again with the same event."""
    from intellyhub_engine.machine.run import replay

    def work(program: Program, host: Host) -> RunResult:
        return replay(program, host, run_id, variables=variables or None)

    return carry_out(session, stage, run_id, work, variables, flow=flow, display=display)


def fork_run(
    session: Session,
    stage: Stage,
    run_id: str,
    seq: int,
    variables: Mapping[str, Any],
    *,
    flow: str | None,
    display: Display,
) -> int:
    """Run again from one step."""
    from intellyhub_engine.machine.run import fork

    def work(program: Program, host: Host) -> RunResult:
        return fork(program, host, run_id, seq, variables=variables or None)

    return carry_out(session, stage, run_id, work, variables, flow=flow, display=display)


def carry_out(
    session: Session,
    stage: Stage,
    run_id: str,
    work: Work,
    variables: Mapping[str, Any],
    *,
    flow: str | None,
    display: Display,
) -> int:
    """Find the run's flow, do the work, show what came out."""
    loaded = find_flow(stage, run_id, flow)
    program = compile_loaded(loaded, stage.catalogue_of(loaded.path), stage.archive)
    with make_progress(session, display) as progress:
        host = stage.make_host(loaded.path, observe=progress.observe, variables=variables)
        result = perform(stage, lambda: work(program, host))
    show_result(session, stage, result, display)
    return exit_of(result)


def find_flow(stage: Stage, run_id: str, given: str | None) -> LoadedFlow:
    """The flow of a run: the file that was named, else the very text it ran on."""
    start = stage.record.history(run_id).start
    if given is not None:
        return load_file(given, stage.catalogue_of(given))
    kept = stage.archive.find(start.version)
    path = kept.path or STANDARD_INPUT
    return load_text(kept.text, path, start.flow, stage.catalogue_of(path))
