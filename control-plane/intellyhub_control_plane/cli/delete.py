"""`intellyhub delete`: a flow and all that is recorded of it."""

from __future__ import annotations

import sys

import click

from intellyhub_control_plane.cli.client import part
from intellyhub_control_plane.cli.connection import connect, platform_options
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.session import Session, debug_option, pass_session
from intellyhub_engine.errors import InputInvalid

__all__ = ["command"]


@click.command("delete")
@click.argument("flow", metavar="FLOW")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@platform_options
@debug_option
@pass_session
def command(session: Session, flow: str, yes: bool, url: str | None, token: str | None) -> int:
    """Delete FLOW, its versions and its runs. It cannot be taken back.

    \b
    Examples:
      intellyhub delete hello
      intellyhub delete hello --yes
    """
    client = connect(url, token)
    found = client.get(f"/api/flows/{part(flow)}")
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise InputInvalid("nobody is there to be asked: add --yes")
        if not click.confirm(f"Delete {found['name']} ({found['slug']}) with all of its runs?", err=True):
            session.terminal.show("nothing was deleted")
            return Exit.CANCELLED
    client.send("DELETE", f"/api/flows/{part(found['id'])}")
    session.terminal.show(f"{found['slug']} is deleted")
    return Exit.SUCCEEDED
