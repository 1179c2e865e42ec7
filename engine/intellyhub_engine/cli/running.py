"""One run from its start or resumption to its summary and exit code, alike for run, resume, replay and fork."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.cli.answer import make_answer
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.interrupts import stopping_with
from intellyhub_engine.cli.programs import LoadedFlow, compile_loaded
from intellyhub_engine.cli.progress import Progress
from intellyhub_engine.cli.session import Display, Session
from intellyhub_engine.cli.stage import Stage, open_stage
from intellyhub_engine.cli.summary import exit_of, show_summary
from intellyhub_engine.machine.result import RunResult

if TYPE_CHECKING:
    from intellyhub_engine.events import Event

__all__ = ["make_progress", "perform", "run_once", "show_result"]


def run_once(
    session: Session,
    loaded: LoadedFlow,
    event: Event | None,
    variables: Mapping[str, Any],
    *,
    journal: str | None,
    env_file: str | None,
    display: Display,
) -> int:
    """Start a run and show it."""
    from intellyhub_engine.machine.run import start

    with open_stage(session, journal=journal, env_file=env_file) as stage:
        program = compile_loaded(loaded, stage.catalogue_of(loaded.path), stage.archive)
        with make_progress(session, display) as progress:
            host = stage.make_host(loaded.path, observe=progress.observe, variables=variables)
            result = perform(stage, lambda: start(program, host, event=event, variables=variables))
        show_result(session, stage, result, display)
    return exit_of(result)


def make_progress(session: Session, display: Display) -> Progress:
    """How much is shown: on a terminal all; piped, the flow's log lines; with --json nothing, unless --verbose."""
    terminal = session.terminal
    verbose = display.verbose
    if display.as_json:
        return Progress(terminal, steps=verbose, logs=verbose, verbose=verbose, aside=True)
    return Progress(terminal, steps=terminal.interactive or verbose, logs=True, verbose=verbose)


def perform(stage: Stage, work: Callable[[], RunResult]) -> RunResult:
    """Do the work so that Ctrl-C cancels the run in order."""
    with stopping_with(stage.cancelled.set, word="cancelling the run"):
        return work()


def show_result(session: Session, stage: Stage, result: RunResult, display: Display, *, hints: bool = True) -> None:
    """The JSON object, or the last lines, with what to type next. The machine has masked all secrets in a result."""
    if display.as_json:
        session.terminal.emit_json(make_answer(result))
    else:
        show_summary(session.terminal, result, journal=stage.hint, hints=hints)


def worst(codes: list[int]) -> int:
    """The exit code of several runs: a failure before a wait before success."""
    order = (Exit.FAILED, Exit.CANCELLED, Exit.WAITING)
    return next((code for code in order if code in codes), Exit.SUCCEEDED)
