"""Which platform a command talks to, and as whom: flags, else the environment, else the last login."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from intellyhub_control_plane.cli.logins import DEFAULT_URL, Logins, logins_path, normal_url

if TYPE_CHECKING:
    from intellyhub_control_plane.cli.client import Client

__all__ = ["connect", "find_url", "platform_options"]

URL = "INTELLYHUB_URL"
TOKEN = "INTELLYHUB_TOKEN"  # noqa: S105 - the variable's name

Decorated = TypeVar("Decorated", bound=Callable[..., object])


def platform_options(command: Decorated) -> Decorated:
    """`--url` and `--token`."""
    url = click.option("--url", metavar="URL", help="The platform (default: INTELLYHUB_URL, else the last login).")
    token = click.option(
        "--token", metavar="TOKEN", help="An API token (default: INTELLYHUB_TOKEN, else that of the login)."
    )
    return url(token(command))


def connect(url: str | None, token: str | None) -> Client:
    """The platform that is meant, as the person who is meant."""
    from intellyhub_control_plane.cli.client import Client

    logins = Logins(logins_path(os.environ))
    address = find_url(url, logins)
    if shown := token or os.environ.get(TOKEN):
        return Client(address, shown, shown_by="--token" if token else TOKEN)
    login = logins.find(address)
    return Client(address, login.token if login is not None else None)


def find_url(url: str | None, logins: Logins) -> str:
    """The address that is meant."""
    return normal_url(url or os.environ.get(URL) or logins.current_url or DEFAULT_URL)
