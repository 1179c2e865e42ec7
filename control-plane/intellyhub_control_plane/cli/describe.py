"""`intellyhub describe`: everything about one flow."""

from __future__ import annotations

from typing import Any

import click

from intellyhub_control_plane.cli.client import part
from intellyhub_control_plane.cli.connection import connect, platform_options
from intellyhub_control_plane.cli.words import (
    STATES,
    STATUSES,
    age_text,
    cluster_text,
    milliseconds_text,
    rollout_text,
    time_text,
)
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.options import json_option
from intellyhub_engine.cli.session import Session, debug_option, pass_session
from intellyhub_engine.cli.terminal import Terminal

__all__ = ["command"]

SHOWN_VERSIONS = 5
SHOWN_RUNS = 5


@click.command("describe")
@click.argument("flow", metavar="FLOW")
@json_option
@platform_options
@debug_option
@pass_session
def command(session: Session, flow: str, as_json: bool, url: str | None, token: str | None) -> int:
    """Tell everything about FLOW, a slug or an id: state, listener and its health, addresses, versions, last runs.

    \b
    Examples:
      intellyhub describe refund
      intellyhub describe refund --json | jq -r .hook_url
    """
    client = connect(url, token)
    path = f"/api/flows/{part(flow)}"
    found = client.get(path)
    found["versions"] = client.get(f"{path}/versions", limit=SHOWN_VERSIONS)["items"]
    found["runs"] = client.get("/api/runs", flow=found["id"], limit=SHOWN_RUNS)["items"]
    if as_json:
        session.terminal.emit_json(found)
    else:
        show(session.terminal, found)
    return Exit.SUCCEEDED


def show(terminal: Terminal, flow: dict[str, Any]) -> None:
    """For the eye; piped, the same lines without colour."""

    def tell(name: str, value: str, style: str = "") -> None:
        if value:
            terminal.show((f"{name:<12}", "bold"), (value, style))

    tell("flow", f"{flow['name']} ({flow['slug']})")
    tell("id", flow["id"])
    tell("state", flow["state"], STATES.get(flow["state"], ""))
    tell("version", f"{flow['version']}, published {time_text(flow['updated_at'])}")
    tell("cluster", cluster_text(flow))
    tell("rollout", rollout_text(flow))
    tell("url", flow["url"], "cyan")
    tell("hook", flow["hook_url"] or "", "cyan")
    if flow["listener"]:
        settings = ", ".join(f"{name}: {value}" for name, value in flow["listener"]["parameters"].items())
        tell("listener", flow["listener"]["type"] + (f" ({settings})" if settings else ""))
    if flow["source"]:
        source = flow["source"]
        tell("source", source["message"] or "connected", "" if source["connected"] else "bold red")
        tell("last event", time_text(source["last_event_at"]))
    tell("workers", str(flow["workers"]))
    for problem in flow.get("problems") or []:
        tell("problem", f"line {problem['line']}: {problem['message']}", "yellow")
    show_versions(terminal, flow["versions"])
    show_runs(terminal, flow["runs"])


def show_versions(terminal: Terminal, versions: list[dict[str, Any]]) -> None:
    """The newest ones; the current one is marked."""
    terminal.show(("versions", "bold"))
    for version in versions:
        mark = "*" if version["current"] else " "
        author = f"  {version['created_by']}" if version["created_by"] else ""
        terminal.show(f"  {mark} {version['version']:<4} {time_text(version['created_at'])}{author}")


def show_runs(terminal: Terminal, runs: list[dict[str, Any]]) -> None:
    """The newest ones."""
    terminal.show(("last runs", "bold"))
    for run in runs:
        end = " ".join((run["error"] or run["end_state"] or "").split())[:60]
        terminal.show(
            f"  {run['id']}  ",
            (f"{run['status']:<10}", STATUSES.get(run["status"], "")),
            f" {age_text(run['started_at'])} ago  {milliseconds_text(run['duration_ms'])}  {end}".rstrip(),
        )
    if not runs:
        terminal.show(("  none yet", "dim"))
