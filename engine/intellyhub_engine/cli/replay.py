"""`intellyhub replay`: a new run with the event of an old one."""

from __future__ import annotations

import click

from intellyhub_engine.cli.exits import EXIT_HELP
from intellyhub_engine.cli.inputs import parse_variables
from intellyhub_engine.cli.options import (
    env_file_option,
    journal_option,
    json_option,
    kept_flow_option,
    var_option,
    verbose_option,
)
from intellyhub_engine.cli.session import Display, Session, debug_option, pass_session

__all__ = ["command"]


@click.command("replay", epilog=EXIT_HELP)
@click.argument("run")
@var_option
@kept_flow_option
@env_file_option
@journal_option
@json_option
@verbose_option
@debug_option
@pass_session
def command(
    session: Session,
    run: str,
    variables: tuple[str, ...],
    flow: str | None,
    env_file: str | None,
    journal: str | None,
    as_json: bool,
    verbose: bool,
) -> int:
    """Run again from the start, with the event and the variables of RUN; effects happen again.

    \b
    Examples:
      intellyhub replay RUN
      intellyhub replay RUN --flow fixed.yaml --var dry_run=true
    """
    from intellyhub_engine.cli.journalled import replay_run
    from intellyhub_engine.cli.stage import open_stage

    values = parse_variables(variables)
    with open_stage(session, journal=journal, env_file=env_file, must_exist=True) as stage:
        return replay_run(session, stage, run, values, flow=flow, display=Display(as_json, verbose))
