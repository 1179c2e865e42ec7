"""`intellyhub rollout`: a new version gets its part of the requests, all of them, or none."""

from __future__ import annotations

from typing import Any

import click

from intellyhub_control_plane.cli.client import part
from intellyhub_control_plane.cli.connection import connect, platform_options
from intellyhub_control_plane.cli.words import rollout_text
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.options import json_option
from intellyhub_engine.cli.session import Session, debug_option, pass_session
from intellyhub_engine.errors import InputInvalid

__all__ = ["command"]


@click.command("rollout")
@click.argument("flow", metavar="FLOW")
@click.option("--percent", metavar="N", type=click.IntRange(0, 100), help="Of the requests, for the current version.")
@click.option("--step", metavar="N", type=click.IntRange(1, 100), help="Percent more after each interval.")
@click.option("--interval", metavar="SECONDS", type=click.FloatRange(min=1), help="Between two steps (default: 60).")
@click.option("--promote", is_flag=True, help="Give the current version everything.")
@click.option("--back", is_flag=True, help="Go back to the version that has the rest.")
@json_option
@platform_options
@debug_option
@pass_session
def command(
    session: Session,
    flow: str,
    percent: int | None,
    step: int | None,
    interval: float | None,
    promote: bool,
    back: bool,
    as_json: bool,
    url: str | None,
    token: str | None,
) -> int:
    """Show how far the rollout of FLOW is, change it, or end it. A version whose runs fail is taken back by itself.

    \b
    Examples:
      intellyhub rollout refund
      intellyhub rollout refund --percent 10 --step 20 --interval 300
      intellyhub rollout refund --promote
      intellyhub rollout refund --back
    """
    if (percent is not None) + promote + back > 1:
        raise InputInvalid("--percent, --promote and --back exclude one another: give one of them")
    if percent is None and (step is not None or interval is not None):
        raise InputInvalid("--step and --interval belong to a rollout that begins: give --percent too")
    client = connect(url, token)
    path = f"/api/flows/{part(flow)}"
    if percent is not None:
        wish = {"percent": percent, "step": step, "interval_seconds": interval}
        found = client.send("POST", f"{path}/rollout", {key: each for key, each in wish.items() if each is not None})
        said = f"{found['slug']}: version {found['version']} gets {percent} % of the requests"
    elif promote:
        found = client.send("POST", f"{path}/promote")
        said = f"{found['slug']}: version {found['version']} gets everything"
    elif back:
        stable = stable_version(client.get(path))
        found = client.send("POST", f"{path}/versions/{stable}/rollback")
        said = f"{found['slug']} is back at version {found['version']}"
    else:
        found = client.get(path)
        said = f"{found['slug']}: {rollout_text(found) or 'no rollout is on'}"
    if as_json:
        session.terminal.emit_json(found)
    else:
        session.terminal.show(said)
    return Exit.SUCCEEDED


def stable_version(flow: dict[str, Any]) -> int:
    """The version that has the rest. Raises `InputInvalid` where there is none."""
    rollout = (flow.get("deployment") or {}).get("rollout")
    if rollout is None:
        raise InputInvalid(
            f"no rollout of {flow['slug']} is on: `intellyhub rollback {flow['slug']}` goes back to the version before"
        )
    return int(rollout["stable"])
