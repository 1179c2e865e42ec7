"""`intellyhub login`: prove once who you are; the other commands then know."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING, Any

import click

from intellyhub_control_plane.cli.connection import find_url
from intellyhub_control_plane.cli.logins import Login, Logins, logins_path
from intellyhub_engine.cli.exits import CommandFailed, Exit
from intellyhub_engine.cli.session import Session, debug_option, pass_session
from intellyhub_engine.errors import InputInvalid

if TYPE_CHECKING:
    from intellyhub_control_plane.cli.client import Client

__all__ = ["command"]

DAYS = 90
"""How long a login holds: an API token is made for it, which `intellyhub logout` deletes."""
MAX_PASSWORD_CHARACTERS = 1024


@click.command("login")
@click.argument("url", required=False)
@click.option("--email", metavar="EMAIL", help="The account (default: asked for).")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@debug_option
@pass_session
def command(session: Session, url: str | None, email: str | None, password_stdin: bool) -> int:
    """Log in to the platform at URL (default: INTELLYHUB_URL, else the last one, else http://127.0.0.1:5000).

    The token is kept in ~/.config/intellyhub, for this user only.

    \b
    Examples:
      intellyhub login
      intellyhub login https://flows.example.org --email ada@example.org
      pass show intellyhub | intellyhub login --email ada@example.org --password-stdin
    """
    from intellyhub_control_plane.cli.client import Client

    logins = Logins(logins_path(os.environ))
    address = find_url(url, logins)
    known = logins.find(address)
    name = email or ask("E-mail", "--email EMAIL", default=known.email if known else None)
    password = read_password() if password_stdin else ask("Password", "--password-stdin", hidden=True)
    answer = prove(Client(address, None), name, password)
    logins.keep(make_login(Client(address, answer["access_token"]), name, answer["access_token"]))
    tenant = answer["user"]["tenant"]["name"]
    session.terminal.show("logged in at ", (address, "cyan"), f" as {name}, for {tenant}")
    return Exit.SUCCEEDED


def prove(client: Client, email: str, password: str) -> Any:
    """Log in. Wrong words are told as such, not as a missing login."""
    try:
        return client.send("POST", "/api/auth/login", {"email": email, "password": password})
    except CommandFailed as fault:
        if fault.code is Exit.NOT_ALLOWED:
            raise CommandFailed(f"{client.url} knows no such e-mail and password", Exit.NOT_ALLOWED) from fault
        raise


def make_login(client: Client, email: str, access_token: str) -> Login:
    """A login that outlives the access token; where one may not make API tokens, that one as it is."""
    try:
        made = client.send(
            "POST", "/api/tokens", {"name": f"intellyhub on {platform.node()[:80]}", "expires_in_days": DAYS}
        )
    except CommandFailed as fault:
        if fault.code is not Exit.NOT_ALLOWED:
            raise
        return Login(url=client.url, email=email, token=access_token)
    return Login(url=client.url, email=email, token=made["token"], token_id=made["id"])


def ask(what: str, flag: str, *, hidden: bool = False, default: str | None = None) -> str:
    """Ask a person; where there is none, say which flag to use."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputInvalid(f"nobody is there to be asked for the {what.lower()}: use {flag}")
    answer: str = click.prompt(what, hide_input=hidden, default=default, err=True)
    return answer


def read_password() -> str:
    """The first line of standard input."""
    password = sys.stdin.readline(MAX_PASSWORD_CHARACTERS + 1).rstrip("\r\n") if sys.stdin is not None else ""
    if not password:
        raise InputInvalid("standard input holds no password")
    return password
