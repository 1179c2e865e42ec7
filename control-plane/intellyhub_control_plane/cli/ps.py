"""`intellyhub ps`: which flows listen, run and sleep, and the workers that are awake."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from intellyhub_control_plane.cli.connection import connect, platform_options
from intellyhub_control_plane.cli.listing import Cell, Column, make_table, show_list
from intellyhub_control_plane.cli.words import STATES, age_text, bytes_text, cluster_text, rollout_text
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.options import json_option
from intellyhub_engine.cli.session import Session, debug_option, pass_session

if TYPE_CHECKING:
    from intellyhub_control_plane.cli.client import Client

__all__ = ["command"]

COLUMNS = (
    Column("flow"),
    Column("state"),
    Column("pid", True),
    Column("worker"),
    Column("version", True),
    Column("age", True),
    Column("requests", True),
    Column("memory", True),
)
REFRESH_SECONDS = 1.0
NONE = Cell("")


@click.command("ps")
@click.option("--watch", "-w", is_flag=True, help="Show it anew every second, until Ctrl-C.")
@json_option
@platform_options
@debug_option
@pass_session
def command(session: Session, watch: bool, as_json: bool, url: str | None, token: str | None) -> int:
    """Show every flow with its state, and its workers: process, state, version, age, requests, memory. A flow without a
    worker sleeps: the next event wakes one. On a cluster workers are pods, which the cluster counts: in their place
    stands how far the flow's version is.

    Piped: slug, state, pid, worker's state, version, started at, requests, bytes.

    \b
    Examples:
      intellyhub ps
      intellyhub ps --watch
      intellyhub ps --json | jq '[.[].workers[]] | length'
    """
    client = connect(url, token)
    if watch and not as_json and session.terminal.interactive:
        keep_showing(session, client)
    while True:
        show(session, client, as_json=as_json)
        if not watch:
            return Exit.SUCCEEDED
        time.sleep(REFRESH_SECONDS)


def show(session: Session, client: Client, *, as_json: bool) -> None:
    """Once."""
    found = look(client)
    if as_json:
        session.terminal.emit_json(found)
    else:
        show_list(session.terminal, COLUMNS, list(make_rows(found)), empty="no flows yet; try: intellyhub deploy FLOW")


def keep_showing(session: Session, client: Client) -> None:
    """In place, until Ctrl-C."""
    from rich.live import Live

    with Live(console=session.terminal.console, auto_refresh=False, screen=False) as live:
        while True:
            live.update(make_table(COLUMNS, list(make_rows(look(client)))), refresh=True)
            time.sleep(REFRESH_SECONDS)


def look(client: Client) -> list[dict[str, Any]]:
    """Every flow with its workers under `workers`; busy flows first."""
    awake: dict[str, list[dict[str, Any]]] = {}
    for worker in client.get("/api/workers")["items"]:
        awake.setdefault(worker["flow"]["id"], []).append(worker)
    flows = [{**flow, "workers": awake.get(flow["id"], [])} for flow in client.pages("/api/flows")]
    return sorted(flows, key=lambda flow: (not flow["workers"], flow["slug"]))


def make_rows(flows: Sequence[dict[str, Any]]) -> Iterator[tuple[Cell, ...]]:
    """A line for each worker, and one for each flow without."""
    for flow in flows:
        state = Cell(flow["state"], style=STATES.get(flow["state"], ""))
        if not flow["workers"]:  # on a cluster there are none to see: how the flow stands there is in their place
            yield (
                Cell(flow["slug"], style="bold"),
                state,
                NONE,
                Cell(rollout_text(flow) or cluster_text(flow)),
                Cell(str(flow["version"]), style="dim"),
                NONE,
                NONE,
                NONE,
            )
        for number, worker in enumerate(flow["workers"]):
            first = number == 0
            yield (
                Cell(flow["slug"], None if first else "", "bold"),
                Cell(state.plain, None if first else "", state.style),
                Cell(str(worker["pid"])),
                Cell(worker["state"]),
                Cell(str(worker["version"])),
                Cell(worker["started_at"], age_text(worker["started_at"])),
                Cell(str(worker["requests"])),
                Cell(str(worker["memory_bytes"] or ""), bytes_text(worker["memory_bytes"])),
            )
