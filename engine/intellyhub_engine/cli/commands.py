"""Every command by name, and a group that imports only the module of the one that was called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["COMMANDS", "ENTRY_POINTS", "LazyGroup"]

ENTRY_POINTS = "intellyhub.commands"
"""Entry point group through which other distributions add commands: name -> `package.module:click_command`. The package
may have a mapping `SUMMARIES` of name -> line in `intellyhub --help`; it is imported for that, its modules are not."""


class Command(NamedTuple):
    """Where a command is, and its line in `intellyhub --help`."""

    module: str
    summary: str


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "run": Command("run", "Run a flow, once or for every event."),
        "check": Command("check", "Find every fault in flow texts."),
        "test": Command("test", "Run the tests of flows."),
        "schema": Command("schema", "Print the JSON Schema of flow texts."),
        "serve": Command("serve", "Serve a flow over HTTP."),
        "runs": Command("runs", "List the runs of a journal; show or cancel one."),
        "resume": Command("resume", "Go on with waiting or interrupted runs."),
        "replay": Command("replay", "Run again with the same event."),
        "fork": Command("fork", "Run again from one step on."),
        "graph": Command("graph", "Draw a flow as Mermaid or SVG."),
        "completion": Command("completion", "Print a completion script for your shell."),
        "version": Command("version", "Print the versions of what is installed."),
    }
)


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called; help and completion need none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(summaries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module = import_module(f"{__package__}.{COMMANDS[cmd_name].module}")
            return self.checked(cmd_name, module.command)
        entry = entry_points().get(cmd_name)
        return self.checked(cmd_name, entry.load()) if entry else None

    def checked(self, name: str, command: object) -> click.Command:
        if not isinstance(command, click.Command):
            raise click.ClickException(f"the entry point of the command {name!r} is not a click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=self.list_commands(ctx), ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(summaries().items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        lines = summaries()
        items = [CompletionItem(name, help=lines.get(name)) for name in names]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]


def entry_points() -> dict[str, EntryPoint]:
    """The commands other distributions add; ours win where names clash. The scan costs about 20 ms."""
    from importlib.metadata import entry_points as find

    return {entry.name: entry for entry in find(group=ENTRY_POINTS) if entry.name not in COMMANDS}


def summaries() -> dict[str, str]:
    """Every command's line: ours, then those of each distribution in the order of its own table."""
    lines = {name: command.summary for name, command in COMMANDS.items()}
    added = entry_points()
    for entry in added.values():
        table = summaries_beside(entry)
        for name in [*table, entry.name]:
            if name in added and name not in lines:
                lines[name] = table.get(name) or f"From {distribution_of(added[name])}."
    return lines


def summaries_beside(entry: EntryPoint) -> Mapping[str, str]:
    """The table of the package that an entry point's module is in; empty where it has none."""
    package = entry.module.rpartition(".")[0]
    try:
        table = getattr(import_module(package), "SUMMARIES", {}) if package else {}
    except ImportError:
        return {}
    return table if isinstance(table, Mapping) else {}


def distribution_of(entry: EntryPoint) -> str:
    """The distribution that an entry point belongs to."""
    return entry.dist.name if entry.dist is not None else entry.module
