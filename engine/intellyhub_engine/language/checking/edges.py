"""The flow as a graph: which states a state can lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.language.model import BREAK, CONTINUE, END, Flow, State
from intellyhub_engine.language.parsing.regions import ERROR
from intellyhub_engine.language.spelling import find_state_type

__all__ = ["LEAVING", "cycles", "edges_of", "may_end", "reachable", "successors"]

LEAVING = frozenset((END, CONTINUE, BREAK, ERROR))
"""Targets that are no states."""


def edges_of(state: State, flow: Flow, catalogue: Catalogue) -> dict[str, str]:
    """Label -> target, the type's own error target included where the flow has such a state."""
    edges = dict(state.targets)
    kind = find_state_type(state.type, catalogue)
    if "error" not in edges and kind is not None and kind.error_default in flow.states:
        edges["error"] = str(kind.error_default)
    return edges


def successors(state: State) -> set[str]:
    """Where the run can go on when nothing fails; a parallel's branches come back, so they are none."""
    return {
        target
        for label, target in state.targets.items()
        if label not in ("error", "warning") and not label.startswith("branch:")
    }


def may_end(state: State) -> bool:
    """Whether an outcome of the state has no target, so that the run ends there."""
    needed: Mapping[str, tuple[str, ...]] = {"if": ("true", "false"), "switch": ("default",), "loop": ("body", "done")}
    if state.type == "end":
        return True
    if state.type == "loop":
        return any(label not in state.targets for label in needed["loop"])
    if "next" in state.targets:
        return False
    return any(label not in state.targets for label in needed.get(state.type, ("success",)))


def reachable(start: str, targets: Callable[[str], Iterable[str]]) -> set[str]:
    """Every state a run can come to."""
    seen = {start}
    waiting = [start]
    while waiting:
        for target in targets(waiting.pop()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def cycles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Strongly connected components that hold a cycle (Tarjan's algorithm, without recursion)."""
    return [found for found in _components(graph) if len(found) > 1 or found[0] in graph[found[0]]]


def _components(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    inner = {node: [target for target in targets if target in graph] for node, targets in graph.items()}
    on_stack: set[str] = set()
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(inner[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, targets = work[-1]
            target = next(targets, None)
            if target is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    found.append(_pop_through(stack, node))
                    on_stack.difference_update(found[-1])
            elif target not in index:
                index[target] = low[target] = len(index)
                stack.append(target)
                on_stack.add(target)
                work.append((target, iter(inner[target])))
            elif target in on_stack:
                low[node] = min(low[node], index[target])
    return found


def _pop_through(stack: list[str], node: str) -> list[str]:
    popped: list[str] = []
    while not popped or popped[-1] != node:
        popped.append(stack.pop())
    return popped
