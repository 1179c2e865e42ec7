"""`intellyhub completion`: the script that teaches a shell our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from intellyhub_engine.cli.session import Session, debug_option, pass_session

__all__ = ["command"]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@debug_option
@pass_session
def command(session: Session, shell: str) -> None:
    """Print a completion script for SHELL.

    \b
    Examples:
      source <(intellyhub completion bash)                                  this shell
      intellyhub completion zsh > ~/.zfunc/_intellyhub                      every zsh
      intellyhub completion fish > ~/.config/fish/completions/intellyhub.fish
    """
    completion = get_completion_class(shell)
    assert completion is not None
    group = click.get_current_context().find_root().command
    session.terminal.emit(completion(group, {}, "intellyhub", "_INTELLYHUB_COMPLETE").source() + "\n")
