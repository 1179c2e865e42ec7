"""What one invocation carries from the process edge to its command."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import click

from intellyhub_engine.cli.settings import Settings
from intellyhub_engine.cli.terminal import Terminal

__all__ = ["Display", "Session", "debug_option", "pass_session"]

Decorated = TypeVar("Decorated", bound=Callable[..., object])


class Display(NamedTuple):
    """How much of a run is shown."""

    as_json: bool
    """One JSON object instead of lines."""
    verbose: bool


class Session:
    """The settings and the terminal of one invocation, and whether faults show their traceback."""

    def __init__(self, settings: Settings, terminal: Terminal) -> None:
        self.settings = settings
        self.terminal = terminal
        self.debug = settings.debug


pass_session = click.make_pass_decorator(Session)
"""Hands the session to a command as its first argument."""


def turn_debug_on(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """Show tracebacks from here on."""
    session = ctx.find_object(Session)
    if value and session is not None:
        session.debug = True


def debug_option(command: Decorated) -> Decorated:
    """`--debug`, before or after the command's name."""
    option = click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=turn_debug_on,
        help="Show the traceback of a fault (also INTELLYHUB_DEBUG=1).",
    )
    return option(command)
