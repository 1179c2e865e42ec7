"""A diagram as Mermaid flowchart text.

https://mermaid.js.org/syntax/flowchart.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from intellyhub_engine.language.diagram import Diagram, Edge, Kind, Node

__all__ = ["make_mermaid"]

SHAPES: Mapping[Kind, tuple[str, str]] = {
    Kind.START: ("((", "))"),
    Kind.CHOICE: ("{", "}"),
    Kind.LOOP: ("[/", "/]"),
    Kind.FORK: ("[[", "]]"),
    Kind.WORK: ("[", "]"),
    Kind.END: ("([", "])"),
    Kind.UNKNOWN: ("[", "]"),
}

HARMLESS = re.compile(r"[^\w .,:;!?()+*/@=-]", re.ASCII)
"""What is not one of these is written as a numeric entity, so that no name can be read as syntax, HTML or script."""


def make_mermaid(diagram: Diagram) -> str:
    """Write a flowchart, top to bottom."""
    lines = ["flowchart TD"]
    lines += [f"    {shape(node)}" for node in diagram.nodes]
    lines += [f"    {arrow(edge)}" for edge in diagram.edges]
    unknown = [node.key for node in diagram.nodes if node.kind is Kind.UNKNOWN]
    if unknown:
        lines += ["    classDef unknown stroke:#c00,stroke-dasharray:4", f"    class {','.join(unknown)} unknown"]
    return "\n".join(lines) + "\n"


def shape(node: Node) -> str:
    opening, closing = SHAPES[node.kind]
    text = "<br/>".join(escape(part) for part in (node.label, node.detail) if part) or " "
    return f'{node.key}{opening}"{text}"{closing}'


def arrow(edge: Edge) -> str:
    line = "-.->" if edge.fault else "-->"
    label = f'|"{escape(edge.label)}"|' if edge.label else ""
    return f"{edge.source} {line}{label} {edge.target}"


def escape(text: str) -> str:
    """Write text so that Mermaid shows it and nothing else: `#34;` is its form of a numeric entity."""
    return HARMLESS.sub(lambda found: f"#{ord(found[0])};" if found[0].isprintable() else " ", text)
