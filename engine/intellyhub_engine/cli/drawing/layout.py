"""Places for the nodes and bends for the edges of a directed graph, in layers from top to bottom.

The method is Sugiyama's: break cycles, give each node a layer, put a bend wherever an edge crosses a layer, order the
layers by the median of their neighbours, then place them. Sizes of the graphs are those of flows: tens of nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Layout", "Place", "make_layout"]

ROW_GAP = 56.0
COLUMN_GAP = 36.0
BEND_WIDTH = 14.0
SWEEPS = 8


class Place(NamedTuple):
    """The centre and the size of a node, in pixels."""

    x: float
    y: float
    width: float
    height: float


class Layout(NamedTuple):
    """Where everything stands. `bends` holds, per edge, its inner points in the direction of the arrow."""

    width: float
    height: float
    places: Mapping[str, Place]
    bends: tuple[tuple[tuple[float, float], ...], ...]


Size = tuple[float, float]
Link = tuple[str, str]


def make_layout(sizes: Mapping[str, Size], links: Sequence[Link]) -> Layout:
    """Lay out nodes (name -> width, height) and links between them; equal input gives equal output."""
    backward = find_backward(list(sizes), links)
    forward = [(b, a) if (a, b) in backward else (a, b) for a, b in links if a != b]
    layer = assign_layers(list(sizes), forward)
    widths = dict(sizes)
    chains = make_chains(links, backward, layer, widths)
    rows = order_rows(layer, [pair for chain in chains.values() for pair in pairwise(chain)])
    return place(rows, widths, links, backward, chains)


def find_backward(nodes: Sequence[str], links: Sequence[Link]) -> set[Link]:
    """The links that close a cycle when the graph is walked depth first in the given order."""
    after: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in links:
        after[source].append(target)
    done: set[str] = set()
    found: set[Link] = set()
    for root in nodes:
        if root in done:
            continue
        path, stack = {root}, [(root, iter(after[root]))]
        while stack:
            node, rest = stack[-1]
            after_node = next(rest, None)
            if after_node is None:
                stack.pop()
                path.discard(node)
                done.add(node)
            elif after_node in path:
                found.add((node, after_node))
            elif after_node not in done:
                path.add(after_node)
                stack.append((after_node, iter(after[after_node])))
    return found


def assign_layers(nodes: Sequence[str], links: Sequence[Link]) -> dict[str, int]:
    """Each node one layer below the lowest of those that lead to it."""
    layer = dict.fromkeys(nodes, 0)
    for _ in nodes:
        moved = False
        for source, target in links:
            if layer[target] <= layer[source]:
                layer[target] = layer[source] + 1
                moved = True
        if not moved:
            break
    return layer


def make_chains(
    links: Sequence[Link], backward: set[Link], layer: dict[str, int], sizes: dict[str, Size]
) -> dict[int, list[str]]:
    """Per link, the nodes it passes from top to bottom; bends join `layer` and `sizes` as nodes of their own."""
    chains: dict[int, list[str]] = {}
    for number, (source, target) in enumerate(links):
        if source == target:
            continue
        top, bottom = (target, source) if (source, target) in backward else (source, target)
        chain = [top]
        for row in range(layer[top] + 1, layer[bottom]):
            bend = f"\0{number}.{row}"
            layer[bend], sizes[bend] = row, (BEND_WIDTH, 0.0)
            chain.append(bend)
        chains[number] = [*chain, bottom]
    return chains


def order_rows(layer: Mapping[str, int], pairs: Sequence[Link]) -> list[list[str]]:
    """The nodes of each layer from left to right, with few crossings."""
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for name, number in layer.items():
        rows[number].append(name)
    above: dict[str, list[str]] = {name: [] for name in layer}
    below: dict[str, list[str]] = {name: [] for name in layer}
    for top, bottom in pairs:
        above[bottom].append(top)
        below[top].append(bottom)
    for sweep in range(SWEEPS):
        neighbours, order = (above, rows[1:]) if sweep % 2 == 0 else (below, rows[-2::-1])
        for row in order:
            at = {name: index for line in rows for index, name in enumerate(line)}
            rank = {name: median([at[other] for other in neighbours[name]], at[name]) for name in row}
            row.sort(key=rank.__getitem__)
    return rows


def median(values: list[int], otherwise: int) -> float:
    """The middle of some positions; where there are none, a node stays where it is."""
    values.sort()
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2 if values else otherwise


def place(
    rows: list[list[str]],
    sizes: Mapping[str, Size],
    links: Sequence[Link],
    backward: set[Link],
    chains: Mapping[int, list[str]],
) -> Layout:
    """Centre each row, then pull nodes towards what they are joined with as far as their row leaves room."""
    joined: dict[str, list[str]] = {name: [] for row in rows for name in row}
    for chain in chains.values():
        for top, bottom in pairwise(chain):
            joined[bottom].append(top)
            joined[top].append(bottom)
    x = first_places(rows, sizes)
    for sweep in range(SWEEPS * 2):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            settle(row, sizes, joined, x)
    left = min((x[name] - sizes[name][0] / 2 for name in x), default=0.0)
    heights = [max((sizes[name][1] for name in row), default=0.0) for row in rows]
    middles = [sum(heights[:index]) + ROW_GAP * index + height / 2 for index, height in enumerate(heights)]
    places = {
        name: Place(x[name] - left, middles[index], *sizes[name]) for index, row in enumerate(rows) for name in row
    }
    width = max((spot.x + spot.width / 2 for spot in places.values()), default=0.0)
    bends = []
    for number, link in enumerate(links):
        inner = [(places[name].x, places[name].y) for name in chains.get(number, [])[1:-1]]
        bends.append(tuple(reversed(inner) if link in backward else inner))
    shown = {name: spot for name, spot in places.items() if not name.startswith("\0")}
    return Layout(width, sum(heights) + ROW_GAP * max(len(rows) - 1, 0), shown, tuple(bends))


def first_places(rows: list[list[str]], sizes: Mapping[str, Size]) -> dict[str, float]:
    """Every row packed and centred on zero."""
    x: dict[str, float] = {}
    for row in rows:
        total = sum(sizes[name][0] for name in row) + COLUMN_GAP * max(len(row) - 1, 0)
        edge = -total / 2
        for name in row:
            x[name] = edge + sizes[name][0] / 2
            edge += sizes[name][0] + COLUMN_GAP
    return x


def settle(row: list[str], sizes: Mapping[str, Size], joined: Mapping[str, list[str]], x: dict[str, float]) -> None:
    """Move a row's nodes towards the mean of their neighbours, keeping order and gaps."""
    wanted = {name: sum(x[n] for n in joined[name]) / len(joined[name]) if joined[name] else x[name] for name in row}
    rightmost: dict[str, float] = {}
    limit = float("-inf")
    for name in row:
        rightmost[name] = max(wanted[name], limit + sizes[name][0] / 2)
        limit = rightmost[name] + sizes[name][0] / 2 + COLUMN_GAP
    leftmost: dict[str, float] = {}
    limit = float("inf")
    for name in reversed(row):
        leftmost[name] = min(wanted[name], limit - sizes[name][0] / 2)
        limit = leftmost[name] - sizes[name][0] / 2 - COLUMN_GAP
    x.update({name: (rightmost[name] + leftmost[name]) / 2 for name in row})
