"""`intellyhub repositories`: flows are published from git repositories."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import click

from intellyhub_control_plane.cli.connection import connect, platform_options
from intellyhub_control_plane.cli.listing import Cell, Column, show_list
from intellyhub_control_plane.cli.words import age_text
from intellyhub_engine.cli.exits import CommandFailed, Exit
from intellyhub_engine.cli.options import json_option
from intellyhub_engine.cli.session import Session, debug_option, pass_session

if TYPE_CHECKING:
    from intellyhub_control_plane.cli.client import Client

__all__ = ["command"]

SECRET = "INTELLYHUB_WEBHOOK_SECRET"  # noqa: S105 - a variable's name
WAIT_SECONDS = 180.0
LOOK_SECONDS = 0.5
COLUMNS = (Column("ID"), Column("REPOSITORY"), Column("BRANCH"), Column("COMMIT"), Column("FLOWS", figures=True))


@click.group("repositories")
def command() -> None:
    """Publish flows from git repositories, whenever somebody pushes.

    \b
    Examples:
      intellyhub repositories connect https://git.example/team/flows.git --branch main --path flows
      intellyhub repositories sync 0123abcd...
    """


@command.command("connect")
@click.argument("address", metavar="URL")
@click.option("--branch", default="main", show_default=True, metavar="NAME")
@click.option("--path", default="", metavar="FOLDER", help="The folder with the flows (default: all of it).")
@json_option
@platform_options
@debug_option
@pass_session
def connect_command(
    session: Session, address: str, branch: str, path: str, as_json: bool, url: str | None, token: str | None
) -> int:
    """Connect the repository at URL; print what its server must be told. `{NAME}` in URL is a secret of that name.

    The webhook's secret is made up, or taken from INTELLYHUB_WEBHOOK_SECRET.
    """
    body = {"url": address, "branch": branch, "path": path}
    if given := os.environ.get(SECRET):
        body["secret"] = given
    made = connect(url, token).send("POST", "/api/repositories", body)
    if as_json:
        session.terminal.emit_json(made)
        return Exit.SUCCEEDED
    session.terminal.show(f"repository  {made['id']}")
    session.terminal.show(f"webhook     {made['webhook_url']}")
    session.terminal.show(f"secret      {made['secret']}")
    session.terminal.tell(
        "the secret is shown this once; the server sends pushes as JSON (content type application/json)"
    )
    return Exit.SUCCEEDED


@command.command("list")
@json_option
@platform_options
@debug_option
@pass_session
def list_command(session: Session, as_json: bool, url: str | None, token: str | None) -> int:
    """List connected repositories."""
    found = connect(url, token).pages("/api/repositories")
    if as_json:
        session.terminal.emit_json(found)
        return Exit.SUCCEEDED
    rows = [
        [
            Cell(each["id"]),
            Cell(f"{each['url']}{' ' + each['path'] if each['path'] else ''}"),
            Cell(each["branch"]),
            Cell(each["revision"][:12], f"{each['revision'][:12]} ({age_text(each['synced_at'])})"),
            Cell(str(each["flows"])),
        ]
        for each in found
    ]
    show_list(session.terminal, COLUMNS, rows, empty="no repository is connected")
    return Exit.SUCCEEDED


@command.command("sync")
@click.argument("repository", metavar="ID")
@json_option
@platform_options
@debug_option
@pass_session
def sync_command(session: Session, repository: str, as_json: bool, url: str | None, token: str | None) -> int:
    """Look at a repository now, and tell what came of it. Exits 1 when a file failed."""
    from intellyhub_control_plane.cli.client import part

    client = connect(url, token)
    place = f"/api/repositories/{part(repository)}"
    before = [each["at"] for each in client.get(place)["pulls"][:1]]
    client.send("POST", f"{place}/sync")
    pull = await_pull(client, place, before)
    if as_json:
        session.terminal.emit_json(pull)
    else:
        show_pull(session, pull)
    return Exit.SUCCEEDED if pull["ok"] else Exit.FAILED


@command.command("disconnect")
@click.argument("repository", metavar="ID")
@platform_options
@debug_option
@pass_session
def disconnect_command(session: Session, repository: str, url: str | None, token: str | None) -> int:
    """Disconnect a repository. Its flows stay as they are."""
    from intellyhub_control_plane.cli.client import part

    connect(url, token).send("DELETE", f"/api/repositories/{part(repository)}")
    session.terminal.tell("disconnected; its flows stay as they are")
    return Exit.SUCCEEDED


def await_pull(client: Client, place: str, before: list[str]) -> dict[str, Any]:
    """What came of the look that was asked for. Raises `CommandFailed`."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = client.get(place)
        if [each["at"] for each in found["pulls"][:1]] != before and not found["waiting"]:
            pull: dict[str, Any] = found["pulls"][0]
            return pull
        time.sleep(LOOK_SECONDS)
    raise CommandFailed(f"nothing came of it within {WAIT_SECONDS:g} s; it goes on", Exit.BUSY)


def show_pull(session: Session, pull: dict[str, Any]) -> None:
    """Its commit, and a line for each file that changed."""
    for each in pull["results"]:
        style = "bold red" if each["result"] == "failed" else "green"
        version = f" {each['slug']} version {each['version']}" if each["slug"] else ""
        said = f": {each['message']}" if each["message"] else ""
        session.terminal.show((f"{each['result']:<9} ", style), f"{each['file']}{version}{said}")
    session.terminal.tell(f"{pull['revision'][:12]} {pull['message']}".strip())
