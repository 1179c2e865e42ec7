"""`intellyhub resume`: goes on with runs that wait or were interrupted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from intellyhub_engine.cli.exits import EXIT_HELP, Exit
from intellyhub_engine.cli.inputs import read_event
from intellyhub_engine.cli.options import env_file_option, journal_option, json_option, kept_flow_option, verbose_option
from intellyhub_engine.cli.session import Display, Session, debug_option, pass_session
from intellyhub_engine.errors import InputInvalid

if TYPE_CHECKING:
    from intellyhub_engine.cli.stage import Stage
    from intellyhub_engine.events import Event

__all__ = ["command"]


@click.command("resume", epilog=EXIT_HELP)
@click.argument("run", required=False)
@click.option(
    "--event",
    "event_file",
    metavar="FILE",
    type=click.Path(readable=False),
    help="The event it waits for: a CloudEvent in JSON.",
)
@click.option("--approve/--reject", "approved", default=None, help="The decision it waits for.")
@kept_flow_option
@env_file_option
@journal_option
@json_option
@verbose_option
@debug_option
@pass_session
def command(
    session: Session,
    run: str | None,
    event_file: str | None,
    approved: bool | None,
    flow: str | None,
    env_file: str | None,
    journal: str | None,
    as_json: bool,
    verbose: bool,
) -> int:
    """Go on with RUN; without RUN, with every run whose time has come or whose process died.

    Completed steps are never repeated.

    \b
    Examples:
      intellyhub resume                         all that are due
      intellyhub resume RUN --approve           answer its question
      intellyhub resume --event paid.json       whatever waits for this event
    """
    from intellyhub_engine.cli.journalled import continue_run
    from intellyhub_engine.cli.running import worst
    from intellyhub_engine.cli.stage import open_stage

    if approved is not None and run is None:
        raise InputInvalid("a decision is for one run: name it; `intellyhub runs --status waiting` lists them")
    event = read_event(event_file, event_type="") if event_file else None
    display = Display(as_json, verbose)
    codes = []
    with open_stage(session, journal=journal, env_file=env_file, must_exist=True) as stage:
        for run_id in [run] if run else waiting(stage, event):
            code = continue_run(
                session, stage, run_id, event=event, decision=decide(approved), flow=flow, display=display
            )
            codes.append(code)
        if not codes:
            session.terminal.tell("nothing is due", held_by_others(stage) if event is None else "")
            return Exit.SUCCEEDED
    return codes[0] if run else worst(codes)


def waiting(stage: Stage, event: Event | None) -> list[str]:
    """The runs to go on with when none is named."""
    if event is not None:
        return list(stage.record.waiting_for(event))
    return list(stage.record.due(time.time_ns()))


def held_by_others(stage: Stage) -> str:
    """A word on runs that a process has, or had when it died: they can be taken over when its lease has ended."""
    from intellyhub_engine.cli.stage import LEASE_SECONDS
    from intellyhub_engine.journal.records import RunStatus

    held = len(stage.record.runs(status=RunStatus.RUNNING, limit=1000))
    if not held:
        return ""
    which = "1 run is" if held == 1 else f"{held} runs are"
    return f"; {which} at work: if its process has died, call again in {LEASE_SECONDS:g} s"


def decide(approved: bool | None) -> Any:
    """What the machine is told of a decision."""
    return None if approved is None else {"approved": approved}
