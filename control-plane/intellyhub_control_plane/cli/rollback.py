"""`intellyhub rollback`: an earlier version becomes the current one again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from intellyhub_control_plane.cli.client import part
from intellyhub_control_plane.cli.connection import connect, platform_options
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.session import Session, debug_option, pass_session
from intellyhub_engine.errors import InputInvalid

if TYPE_CHECKING:
    from intellyhub_control_plane.cli.client import Client

__all__ = ["command"]


@click.command("rollback")
@click.argument("flow", metavar="FLOW")
@click.argument("version", metavar="[VERSION]", required=False, type=click.IntRange(min=1))
@platform_options
@debug_option
@pass_session
def command(session: Session, flow: str, version: int | None, url: str | None, token: str | None) -> int:
    """Go back to VERSION of FLOW (default: the one before the current one). New events get it; runs that have begun go
    on with theirs.

    \b
    Examples:
      intellyhub rollback hello
      intellyhub rollback hello 3
    """
    client = connect(url, token)
    wanted = version or version_before(client, flow)
    changed = client.send("POST", f"/api/flows/{part(flow)}/versions/{wanted}/rollback")
    session.terminal.show(f"{changed['slug']} is back at version {changed['version']}")
    return Exit.SUCCEEDED


def version_before(client: Client, flow: str) -> int:
    """The newest version below the current one."""
    versions = client.pages(f"/api/flows/{part(flow)}/versions")
    current = next((each["version"] for each in versions if each["current"]), 0)
    earlier = [each["version"] for each in versions if each["version"] < current]
    if not earlier:
        raise InputInvalid(f"{flow} has no version before {current or 'its first'}: there is nothing to go back to")
    return int(max(earlier))
