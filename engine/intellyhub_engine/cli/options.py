"""The options that several commands share, written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

__all__ = [
    "env_file_option",
    "flow_argument",
    "journal_option",
    "json_option",
    "kept_flow_option",
    "var_option",
    "verbose_option",
]

Decorated = TypeVar("Decorated", bound=Callable[..., object])

journal_option = click.option(
    "--journal",
    metavar="DB",
    type=click.Path(readable=False),
    help="The SQLite file that keeps runs (default: INTELLYHUB_JOURNAL, else intellyhub/journal.db in ~/.local/state). "
    "`none` keeps nothing.",
)
env_file_option = click.option(
    "--env-file",
    metavar="FILE",
    type=click.Path(readable=False),
    help="A file of NAME=VALUE lines: environment and secrets for the flow, over the process environment.",
)
var_option = click.option(
    "--var",
    "variables",
    metavar="NAME=VALUE",
    multiple=True,
    help="Set a variable (repeat it); wins over the flow's own. VALUE is JSON, a YAML scalar, or text.",
)
kept_flow_option = click.option(
    "--flow",
    metavar="FILE",
    type=click.Path(readable=False),
    help="Use this text of the flow, not the one that was kept.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
verbose_option = click.option(
    "--verbose", "-v", is_flag=True, help="Show every step, also when piped, and debug lines."
)


def flow_argument(command: Decorated) -> Decorated:
    """`FLOW`, a file or `-`."""
    return click.argument("flow", metavar="FLOW", type=click.Path(readable=False))(command)
