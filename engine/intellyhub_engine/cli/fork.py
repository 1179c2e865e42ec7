"""`intellyhub fork`: a new run that begins at one step of an old one."""

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


@click.command("fork", epilog=EXIT_HELP)
@click.argument("run")
@click.argument("seq", type=click.IntRange(min=1))
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
    seq: int,
    variables: tuple[str, ...],
    flow: str | None,
    env_file: str | None,
    journal: str | None,
    as_json: bool,
    verbose: bool,
) -> int:
    """Begin a new run at step SEQ of RUN, with the variables as they were before it; the steps before are not repeated.

    \b
    Examples:
      intellyhub fork RUN 3
      intellyhub fork RUN 3 --flow fixed.yaml --var chat_id=42
    """
    from intellyhub_engine.cli.journalled import fork_run
    from intellyhub_engine.cli.stage import open_stage

    values = parse_variables(variables)
    with open_stage(session, journal=journal, env_file=env_file, must_exist=True) as stage:
        return fork_run(session, stage, run, seq, values, flow=flow, display=Display(as_json, verbose))
