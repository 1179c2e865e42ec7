"""`intellyhub logout`: forget a login, here and on the platform."""

from __future__ import annotations

import os

import click

from intellyhub_control_plane.cli.connection import find_url
from intellyhub_control_plane.cli.logins import Logins, logins_path
from intellyhub_engine.cli.exits import CommandFailed, Exit
from intellyhub_engine.cli.session import Session, debug_option, pass_session

__all__ = ["command"]


@click.command("logout")
@click.argument("url", required=False)
@debug_option
@pass_session
def command(session: Session, url: str | None) -> int:
    """Forget the login at URL (default: the last one), and delete its token there.

    \b
    Example:
      intellyhub logout
    """
    logins = Logins(logins_path(os.environ))
    address = find_url(url, logins)
    login = logins.find(address)
    if login is None:
        session.terminal.show(f"not logged in at {address}")
        return Exit.SUCCEEDED
    left = ""
    if login.token_id is not None:
        from intellyhub_control_plane.cli.client import Client, part

        try:
            Client(address, login.token).send("DELETE", f"/api/tokens/{part(login.token_id)}")
        except CommandFailed as fault:  # the platform may be away for good
            left = f"; its token there could not be deleted: {str(fault).splitlines()[0]}"
    logins.forget(address)
    session.terminal.show(f"logged out of {address}{left}")
    return Exit.SUCCEEDED
