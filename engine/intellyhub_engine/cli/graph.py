"""`intellyhub graph`: the machine of a flow as a diagram."""

from __future__ import annotations

from pathlib import Path

import click

from intellyhub_engine.cli.options import flow_argument
from intellyhub_engine.cli.session import Session, debug_option, pass_session

__all__ = ["command"]


@click.command("graph")
@flow_argument
@click.option(
    "--format",
    "kind",
    type=click.Choice(["mermaid", "svg"]),
    help="Default: svg for an --output that ends so, else mermaid.",
)
@click.option("--output", "-o", metavar="FILE", type=click.Path(readable=False), help="Write it to FILE.")
@debug_option
@pass_session
def command(session: Session, flow: str, kind: str | None, output: str | None) -> None:
    """Draw the states and transitions of FLOW.

    \b
    Examples:
      intellyhub graph flow.yaml                     Mermaid text, for Markdown
      intellyhub graph flow.yaml -o flow.svg         a picture
    """
    from intellyhub_engine.catalogue.installed import installed_beside
    from intellyhub_engine.cli.programs import load_file
    from intellyhub_engine.language.diagram import make_diagram

    diagram = make_diagram(load_file(flow, installed_beside(flow)).flow)
    if kind == "svg" or (kind is None and output is not None and output.endswith(".svg")):
        from intellyhub_engine.cli.drawing.svg import make_svg

        text = make_svg(diagram)
    else:
        from intellyhub_engine.cli.drawing.mermaid import make_mermaid

        text = make_mermaid(diagram)
    if output is None:
        session.terminal.emit(text)
        return
    Path(output).write_text(text, encoding="utf-8")
    session.terminal.tell(f"wrote {output}")
