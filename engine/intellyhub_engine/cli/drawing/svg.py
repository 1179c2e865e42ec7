"""A diagram as an SVG document: no script, no links, every text escaped, light and dark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape as escape_html
from itertools import pairwise

from intellyhub_engine.cli.drawing.layout import Place, make_layout
from intellyhub_engine.language.diagram import Diagram, Edge, Kind, Node

__all__ = ["make_svg"]

MARGIN = 24.0
LINE_HEIGHT = 17.0
CHARACTER_WIDTH = 7.4
"""Of 13 px text in the widest of the common system fonts, on average."""
LABEL_CHARACTER_WIDTH = 5.8
BESIDE = 9.0
"""How far two edges between the same boxes keep from their middle, in pixels."""
LONGEST_LABEL = 36
STYLE = (
    "svg{background:#fff;font:13px system-ui,sans-serif}"
    ".paper{fill:#fff;stroke:none}.box{fill:#f6f7f9;stroke:#9aa3b2;stroke-width:1.3}.start{fill:#2f6fed;stroke:none}"
    ".choice{stroke:#b7791f}.loop,.fork{stroke:#2f6fed}.end{stroke:#2f855a}"
    ".unknown{stroke:#c53030;stroke-dasharray:4 3}text{fill:#1f2430;text-anchor:middle}"
    ".detail,.label{fill:#6b7280;font-size:11px}"
    ".edge{fill:none;stroke:#9aa3b2;stroke-width:1.3}.fault{stroke:#c53030;stroke-dasharray:4 3}.head{fill:#9aa3b2}"
    "@media(prefers-color-scheme:dark){svg{background:#14171d}.paper{fill:#14171d}.box{fill:#1e232c}"
    "text{fill:#e6e9ef}.detail,.label{fill:#9aa3b2}}"
)
"""Colours are written out: what is no browser (librsvg, cairosvg, editors) knows no `var()` and would draw in black."""
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, even escaped."""


def make_svg(diagram: Diagram) -> str:
    """Draw a diagram; the document stands for itself and needs nothing from outside."""
    sizes = {node.key: size_of(node) for node in diagram.nodes}
    layout = make_layout(sizes, [(edge.source, edge.target) for edge in diagram.edges])
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    ways = {(edge.source, edge.target) for edge in diagram.edges}
    drawn = [
        draw_edge(edge, layout.places, bends, beside=(edge.target, edge.source) in ways)
        for edge, bends in zip(diagram.edges, layout.bends, strict=True)
    ]
    drawn += [draw_node(node, layout.places[node.key]) for node in diagram.nodes]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img"><title>{escape(diagram.title)}</title><style>{STYLE}</style>'
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 0 8 4 0 8z"/></marker></defs>'
        f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">\n' + "\n".join(drawn) + "\n</g></svg>\n"
    )


def size_of(node: Node) -> tuple[float, float]:
    """The width and height of a node's box."""
    if node.kind is Kind.START:
        return 16.0, 16.0
    longest = max(len(shorten(node.label)), len(shorten(node.detail)))
    lines = 2 if node.detail else 1
    return max(longest * CHARACTER_WIDTH + 28, 60.0), lines * LINE_HEIGHT + 16


def draw_node(node: Node, place: Place) -> str:
    """A box with its name and type."""
    if node.kind is Kind.START:
        return f'<circle class="start" cx="{place.x:.1f}" cy="{place.y:.1f}" r="8"/>'
    radius = place.height / 2 if node.kind is Kind.END else 7
    box = (
        f'<rect class="box {node.kind.value}" x="{place.x - place.width / 2:.1f}" y="{place.y - place.height / 2:.1f}" '
        f'width="{place.width:.1f}" height="{place.height:.1f}" rx="{radius:.1f}"/>'
    )
    top = place.y + 4.5 - (LINE_HEIGHT / 2 if node.detail else 0)
    texts = draw_text("", place.x, top, node.label)
    if node.detail:
        texts += draw_text("detail", place.x, top + LINE_HEIGHT, node.detail)
    return f"<g><title>{escape(node.label)}</title>{box}{texts}</g>"


def draw_edge(
    edge: Edge, places: Mapping[str, Place], bends: tuple[tuple[float, float], ...], *, beside: bool = False
) -> str:
    """A curve from box to box with an arrow head, and its label in the middle; `beside` another that leads back."""
    source, target = places[edge.source], places[edge.target]
    kind = "edge fault" if edge.fault else "edge"
    if edge.source == edge.target:
        right = source.x + source.width / 2
        path = f"M{right:.1f} {source.y - 8:.1f}c28 -8 28 24 0 16"
        middle = (right + 30, source.y)
    else:
        points = [leave(source, (bends or ((target.x, target.y),))[0]), *bends, enter(target, source, bends)]
        if beside:
            shift = -BESIDE if points[0][1] < points[-1][1] else BESIDE
            points = [(x + shift, y) for x, y in points]
        path, middle = curve(points), along_first(points, 0.3 if beside else 0.5)
    label = draw_label(middle, edge.label) if edge.label else ""
    return f'<path class="{kind}" d="{path}" marker-end="url(#head)"/>{label}'


def draw_label(middle: tuple[float, float], text: str) -> str:
    """A word on an edge, on a piece of paper of its own."""
    x, y = middle
    width = len(shorten(text)) * LABEL_CHARACTER_WIDTH + 6
    paper = f'<rect class="paper" x="{x - width / 2:.1f}" y="{y - 7:.1f}" width="{width:.1f}" height="14"/>'
    return paper + draw_text("label", x, y + 4, text)


def leave(place: Place, towards: tuple[float, float]) -> tuple[float, float]:
    """Where an edge leaves a box: below or above, a little towards where it goes."""
    down = towards[1] >= place.y
    return place.x + lean(place, towards[0]), place.y + (place.height / 2 if down else -place.height / 2)


def enter(place: Place, source: Place, bends: tuple[tuple[float, float], ...]) -> tuple[float, float]:
    """Where an edge enters a box."""
    before = bends[-1] if bends else (source.x, source.y)
    above = before[1] <= place.y
    return place.x + lean(place, before[0]), place.y + (-place.height / 2 if above else place.height / 2)


def lean(place: Place, x: float) -> float:
    """How far from the middle an edge meets a box, so that several do not meet in one point."""
    return max(-place.width * 0.28, min(place.width * 0.28, (x - place.x) * 0.25))


def curve(points: list[tuple[float, float]]) -> str:
    """Smooth vertical S-curves through the points."""
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x1, y1), (x2, y2) in pairwise(points):
        middle = (y1 + y2) / 2
        path += f"C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}"
    return path


def along_first(points: list[tuple[float, float]], part: float) -> tuple[float, float]:
    """A point of the first stretch, where the label tells the branches of one node apart."""
    (x1, y1), (x2, y2) = points[0], points[1]
    return x1 + (x2 - x1) * part, y1 + (y2 - y1) * part


def draw_text(kind: str, x: float, y: float, text: str) -> str:
    """One line of text."""
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}">{escape(shorten(text))}</text>'


def shorten(text: str) -> str:
    """A name that fits a box; the whole of it is in the box's title."""
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_LABEL else flat[: LONGEST_LABEL - 1] + "…"


def escape(text: str) -> str:
    """Text for an XML document."""
    return escape_html(FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text))
