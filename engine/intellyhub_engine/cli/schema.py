"""`intellyhub schema`: the JSON Schema of flow texts, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from intellyhub_engine.cli.session import Session, debug_option, pass_session

__all__ = ["command"]


@click.command("schema")
@click.option("--output", "-o", metavar="FILE", type=click.Path(readable=False), help="Write it to FILE.")
@debug_option
@pass_session
def command(session: Session, output: str | None) -> None:
    """Print the JSON Schema of flow texts, made from the language and the state types installed here.

    \b
    Examples:
      intellyhub schema -o flow.schema.json
      # then, as the first line of a flow, for editors with a YAML language server:
      # yaml-language-server: $schema=flow.schema.json
    """
    from intellyhub_engine.catalogue.installed import installed_beside
    from intellyhub_engine.language.checking.schema import make_schema

    text = json.dumps(make_schema(installed_beside("-")), indent=2) + "\n"
    if output is None:
        session.terminal.emit(text)
        return
    Path(output).write_text(text, encoding="utf-8")
    session.terminal.tell(f"wrote {output}")
