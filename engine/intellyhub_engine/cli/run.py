"""`intellyhub run`: a flow, once on one event, or on every event of its listener."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from intellyhub_engine.cli.diagnostics import problem_lines
from intellyhub_engine.cli.exits import EXIT_HELP
from intellyhub_engine.cli.inputs import make_event, parse_variables, read_event
from intellyhub_engine.cli.options import (
    env_file_option,
    flow_argument,
    journal_option,
    json_option,
    var_option,
    verbose_option,
)
from intellyhub_engine.cli.session import Display, Session, debug_option, pass_session
from intellyhub_engine.errors import InputInvalid

if TYPE_CHECKING:
    from intellyhub_engine.catalogue.manifest import Catalogue
    from intellyhub_engine.cli.programs import LoadedFlow
    from intellyhub_engine.events import Event

__all__ = ["command"]


@click.command("run", epilog=EXIT_HELP)
@flow_argument
@click.option(
    "--event",
    "event_file",
    metavar="FILE",
    type=click.Path(readable=False),
    help="Run on this event: a CloudEvent in JSON, or any JSON as its data; `-` is standard input. "
    "Without it, a flow with a listener runs on the listener's sample event.",
)
@var_option
@env_file_option
@click.option(
    "--max-steps",
    type=click.IntRange(min=1),
    metavar="N",
    help="Stop a run after N steps (default: the flow's, else 100).",
)
@journal_option
@click.option("--listen", is_flag=True, help="Listen with the flow's listener and run for every event, until Ctrl-C.")
@click.option("--max-events", type=click.IntRange(min=1), metavar="N", help="With --listen: end after N events.")
@click.option(
    "--listener",
    "listener_values",
    metavar="NAME=VALUE",
    multiple=True,
    help="Change a parameter of the listener, for example url=http://localhost:8000/feed.xml.",
)
@json_option
@verbose_option
@debug_option
@pass_session
def command(
    session: Session,
    flow: str,
    event_file: str | None,
    variables: tuple[str, ...],
    env_file: str | None,
    max_steps: int | None,
    journal: str | None,
    listen: bool,
    max_events: int | None,
    listener_values: tuple[str, ...],
    as_json: bool,
    verbose: bool,
) -> int:
    """Run FLOW, a YAML file (`-`: standard input), and keep every step in a journal.

    \b
    Examples:
      intellyhub run hello.yaml
      intellyhub run hello.yaml --var name=Ada --var 'tags=["a", "b"]'
      intellyhub run news.yaml --event event.json --env-file .env
      echo '{"title": "AI news"}' | intellyhub run news.yaml --event - --json
      intellyhub run news.yaml --listen
    """
    from intellyhub_engine.catalogue.installed import installed_beside
    from intellyhub_engine.cli.listening import listen_to
    from intellyhub_engine.cli.programs import load_file, override_listener, override_steps
    from intellyhub_engine.cli.running import run_once

    refuse_contradictions(flow, event_file, listen, max_events)
    catalogue = installed_beside(flow)
    values = parse_variables(variables)
    loaded = load_file(flow, catalogue)
    loaded = override_steps(loaded, max_steps)
    loaded = override_listener(loaded, parse_variables(listener_values, option="--listener"), catalogue)
    show_warnings(session, loaded)
    display = Display(as_json, verbose)
    if listen:
        return listen_to(
            session,
            loaded,
            values,
            max_events=max_events,
            journal=journal,
            env_file=env_file,
            display=display,
        )
    event = choose_event(session, loaded, event_file, catalogue)
    return run_once(session, loaded, event, values, journal=journal, env_file=env_file, display=display)


def refuse_contradictions(flow: str, event_file: str | None, listen: bool, max_events: int | None) -> None:
    """Flags that cannot stand together."""
    if flow == "-" and event_file == "-":
        raise InputInvalid("the flow and --event cannot both come from standard input; write one into a file")
    if listen and event_file:
        raise InputInvalid("--listen waits for events of its own; leave --event out, or --listen")
    if max_events and not listen:
        raise InputInvalid("--max-events counts what --listen hears; add --listen")


def show_warnings(session: Session, loaded: LoadedFlow) -> None:
    """What the checker would say, on a terminal only: a pipe gets it from `intellyhub check`."""
    if session.terminal.interactive_errors:
        for problem in loaded.warnings:
            for line in problem_lines(loaded.path, loaded.shown_text, problem, excerpt=False):
                session.terminal.tell(*line)


def choose_event(session: Session, loaded: LoadedFlow, event_file: str | None, catalogue: Catalogue) -> Event | None:
    """The event handed in, else the listener's sample, else none."""
    listener = loaded.flow.listener
    source = catalogue.sources.get(listener.type) if listener else None
    if event_file is not None:
        return read_event(event_file, event_type=source.event_type if source else "")
    if source is None:
        return None
    session.terminal.tell(f"no --event given: running on the sample event of the {source.type} listener")
    return make_event(dict(source.sample), event_type=source.event_type)
