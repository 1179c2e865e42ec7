"""`intellyhub flows`: what is published."""

from __future__ import annotations

from typing import Any

import click

from intellyhub_control_plane.cli.connection import connect, platform_options
from intellyhub_control_plane.cli.listing import Cell, Column, show_list
from intellyhub_control_plane.cli.words import STATES, STATUSES, age_text
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.options import json_option
from intellyhub_engine.cli.session import Session, debug_option, pass_session

__all__ = ["command"]

COLUMNS = (
    Column("flow"),
    Column("version", True),
    Column("state"),
    Column("listens to"),
    Column("last run"),
    Column("name"),
)


@click.command("flows")
@json_option
@platform_options
@debug_option
@pass_session
def command(session: Session, as_json: bool, url: str | None, token: str | None) -> int:
    """List the flows of the platform. Piped: slug, version, state, listener, status of the last run, name.

    \b
    Examples:
      intellyhub flows
      intellyhub flows --json | jq -r '.[] | select(.state == "error").slug'
    """
    flows = connect(url, token).pages("/api/flows")
    if as_json:
        session.terminal.emit_json(flows)
    else:
        show_list(
            session.terminal,
            COLUMNS,
            [make_row(flow) for flow in flows],
            empty="no flows yet; try: intellyhub deploy FLOW",
        )
    return Exit.SUCCEEDED


def make_row(flow: dict[str, Any]) -> tuple[Cell, ...]:
    """A flow as a line."""
    last = flow["last_run"]
    status = last["status"] if last else ""
    return (
        Cell(flow["slug"], style="bold"),
        Cell(str(flow["version"])),
        Cell(flow["state"], style=STATES.get(flow["state"], "")),
        Cell(flow["listener"]["type"] if flow["listener"] else ""),
        Cell(status, f"{status}, {age_text(last['started_at'])} ago" if last else "never", STATUSES.get(status, "dim")),
        Cell(flow["name"]),
    )
