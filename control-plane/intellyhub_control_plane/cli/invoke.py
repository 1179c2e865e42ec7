"""`intellyhub invoke`: run a published flow, and see what comes of it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from intellyhub_control_plane.cli.client import part
from intellyhub_control_plane.cli.connection import connect, platform_options
from intellyhub_control_plane.cli.words import STATUSES, milliseconds_text, time_text
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.options import json_option
from intellyhub_engine.cli.session import Session, debug_option, pass_session
from intellyhub_engine.errors import InputInvalid

if TYPE_CHECKING:
    from intellyhub_control_plane.cli.client import Client

__all__ = ["command"]

LONGEST_WAIT_SECONDS = 60.0
"""That one request may take; the rest is asked for again and again."""
PAUSE_SECONDS = 0.5
EXITS = {"succeeded": Exit.SUCCEEDED, "failed": Exit.FAILED, "waiting": Exit.WAITING, "cancelled": Exit.CANCELLED}
EXIT_HELP = """\b
Exit codes:
  0 succeeded, or accepted   1 failed   2 flag or event invalid   66 no such flow
  69 no platform there   75 waiting   77 not logged in   130 cancelled"""


@click.command("invoke", epilog=EXIT_HELP)
@click.argument("flow", metavar="FLOW")
@click.option(
    "--event",
    "event_file",
    metavar="FILE",
    type=click.Path(),
    help="Run on this event: a CloudEvent in JSON, or an object as its data; `-` is standard input. "
    "Without it, a flow with a listener runs on the listener's sample.",
)
@click.option("--var", "variables", metavar="NAME=VALUE", multiple=True, help="Set a variable (repeat it).")
@click.option(
    "--wait",
    "wait_seconds",
    metavar="N",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Wait N seconds for the run's end; 0 does not wait.",
)
@json_option
@platform_options
@debug_option
@pass_session
def command(
    session: Session,
    flow: str,
    event_file: str | None,
    variables: tuple[str, ...],
    wait_seconds: float,
    as_json: bool,
    url: str | None,
    token: str | None,
) -> int:
    """Run FLOW, a slug or an id, on the platform: what it answers is printed, its status is the exit code.

    \b
    Examples:
      intellyhub invoke hello --var name=Ada
      echo '{"customer": "Ada", "amount": 250}' | intellyhub invoke refund --event -
      intellyhub invoke report --wait 0 --json | jq -r .run_id
    """
    from intellyhub_engine.cli.inputs import parse_variables

    document: dict[str, Any] = {"variables": parse_variables(variables)}
    if event_file is not None:
        document["event"] = read_event(event_file)
    client = connect(url, token)
    run = execute(client, flow, document, wait_seconds)
    if as_json:
        session.terminal.emit_json(run)
    else:
        show(session, run, client.url)
    return EXITS.get(str(run.get("status")), Exit.SUCCEEDED)


def read_event(path: str) -> dict[str, Any]:
    """The event's document: an object."""
    from intellyhub_engine.cli.inputs import MAX_EVENT_BYTES, read_bytes

    content = read_bytes(path, what="event", max_bytes=MAX_EVENT_BYTES)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as fault:
        raise InputInvalid(f"{'standard input' if path == '-' else path}: the event is not JSON: {fault}") from None
    if not isinstance(document, dict):
        raise InputInvalid(f"{'standard input' if path == '-' else path}: the event is not an object")
    return document


def execute(client: Client, flow: str, document: dict[str, Any], wait_seconds: float) -> dict[str, Any]:
    """Start the run; wait for its end within bounds. Gives the run, or only its id and place when it goes on."""
    deadline = time.monotonic() + wait_seconds
    document["wait_seconds"] = min(wait_seconds, LONGEST_WAIT_SECONDS)
    started: dict[str, Any] = client.send("POST", f"/api/flows/{part(flow)}/execute", document)
    if "status" in started or wait_seconds <= 0:
        return started
    path = f"/api/runs/{part(started['run_id'])}"
    while True:
        run: dict[str, Any] = client.get(path)
        if run["status"] != "running":
            return run
        if time.monotonic() >= deadline:
            return started
        time.sleep(PAUSE_SECONDS)


def show(session: Session, run: dict[str, Any], url: str) -> None:
    """What it answered on standard output, how it went beside it; of one that goes on, where the console shows it."""
    terminal = session.terminal
    if "status" not in run:
        terminal.show(run["run_id"])
        terminal.tell("it runs; see: ", (f"{url}/runs/{part(run['run_id'])}", "cyan"))
        return
    if run["output"] is not None:
        from intellyhub_engine.cli.answer import make_json

        output = run["output"]
        terminal.emit((output if isinstance(output, str) else make_json(output, pretty=terminal.interactive)) + "\n")
    status, took = run["status"], milliseconds_text(run["duration_ms"])
    at = f" at {run['end_state']}" if run["end_state"] else ""
    terminal.tell((status, STATUSES.get(status, "")), f"{at}  steps {run['steps']}  {took}  run {run['id']}")
    if run["error"]:
        terminal.tell("  ", (run["error"], "red"))
    if waiting := run["waiting_for"]:
        until = f" until {time_text(run['wake_at'])}" if run["wake_at"] else ""
        terminal.tell(
            f"  waits for {waiting['kind']}{until}: {waiting['question'] or waiting['event'] or ''}".rstrip(": ")
        )
