"""The process edge of `intellyhub`: parses the command line, runs one command, turns every fault into one message."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from intellyhub_engine.cli.commands import LazyGroup
from intellyhub_engine.cli.diagnostics import FlowRefused, problem_lines
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.faults import explain
from intellyhub_engine.cli.session import Session, debug_option
from intellyhub_engine.cli.settings import read_settings
from intellyhub_engine.cli.terminal import Terminal, open_terminal

__all__ = ["intellyhub", "main"]

MOST_PROBLEMS = 20

EXAMPLES = """\b
Examples:
  intellyhub check flow.yaml                        find every fault in it
  intellyhub run flow.yaml                          run it once
  intellyhub run flow.yaml --event event.json       ... on your own event
  intellyhub run flow.yaml --listen                 ... on every event, until Ctrl-C
  intellyhub runs                                   see what ran
  intellyhub graph flow.yaml --format svg -o f.svg  draw it

Every command explains itself: intellyhub run --help"""


def print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """Print the engine's version and leave."""
    if value and not ctx.resilient_parsing:
        from intellyhub_engine.cli.version import ENGINE, version_of

        session = ctx.find_object(Session)
        assert session is not None
        session.terminal.show(f"intellyhub {version_of(ENGINE)}")
        ctx.exit()


@click.group(cls=LazyGroup, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=print_version, help="Print the version."
)
@debug_option
def intellyhub() -> None:
    """Run automation flows written in YAML, durably, on this machine."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; nothing is raised."""
    keep_standard_descriptors()
    terminal = open_terminal(sys.stdout, sys.stderr, os.environ)
    session = Session(read_settings(os.environ), terminal)
    try:
        return execute(session, list(sys.argv[1:] if arguments is None else arguments))
    except SystemExit as left:  # click, after it has answered a shell's Tab
        return left.code if isinstance(left.code, int) else Exit.SUCCEEDED
    except BaseException as error:  # noqa: BLE001 (the process edge: everything becomes a message)
        return report(session, error)


def execute(session: Session, arguments: list[str]) -> int:
    """Parse and run; click's own exceptions come out like all others."""
    answer = intellyhub.main(arguments, prog_name="intellyhub", obj=session, standalone_mode=False)
    session.terminal.out.flush()
    return answer if isinstance(answer, int) else Exit.SUCCEEDED


def report(session: Session, error: BaseException) -> int:
    """Write a fault to standard error; where that is full or gone as well, the exit code must do."""
    fault, terminal = explain(error), session.terminal
    try:
        if session.debug:
            terminal.err.write("".join(traceback.format_exception(error)))
        first, *rest = fault.message.strip().splitlines() or ["unknown fault"]
        terminal.tell(("intellyhub: ", "bold red"), first)
        for line in rest:
            terminal.tell("  ", line)
        if isinstance(error, FlowRefused):
            report_problems(terminal, error)
    except OSError:
        return fault.code
    return fault.code


def report_problems(terminal: Terminal, error: FlowRefused) -> None:
    """Every problem of a refused flow with its place; on a terminal with its source."""
    for problem in error.problems[:MOST_PROBLEMS]:
        for line in problem_lines(error.path, error.text, problem, excerpt=terminal.interactive_errors):
            terminal.tell(*line)
    if len(error.problems) > MOST_PROBLEMS:
        terminal.tell(f"... and more: intellyhub check {error.path}")


def keep_standard_descriptors() -> None:
    """Point closed standard descriptors at the null device, so that no journal gets number 1 and is printed into."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    sys.exit(main())
