"""The nodes and edges of a flow's machine, before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from intellyhub_engine.language.model import BREAK, CONTINUE, END, Flow, State

__all__ = ["Diagram", "Edge", "Kind", "Node", "edges_of", "make_diagram"]


class Kind(StrEnum):
    """How a node looks."""

    START = "start"  # where a run begins
    CHOICE = "choice"  # if, switch
    LOOP = "loop"
    FORK = "fork"  # parallel
    WORK = "work"
    END = "end"
    UNKNOWN = "unknown"  # a target that does not exist


class Node(NamedTuple):
    """One box. `key` is made by us and safe everywhere; `label` and `detail` come from the flow and are not."""

    key: str
    kind: Kind
    label: str
    detail: str


class Edge(NamedTuple):
    """One arrow between node keys; `label` comes from the flow. `fault` marks an error edge."""

    source: str
    target: str
    label: str
    fault: bool


class Diagram(NamedTuple):
    """A machine as a directed graph; the first node is the start mark."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


KINDS: Mapping[str, Kind] = {
    "if": Kind.CHOICE,
    "switch": Kind.CHOICE,
    "loop": Kind.LOOP,
    "parallel": Kind.FORK,
    "end": Kind.END,
}

CHOICES = ("true", "false")
PLAIN = {"next": "", "success": "", "body": "each", "joined": "all done"}


def make_diagram(flow: Flow) -> Diagram:
    """Draw every state, the start mark, and one node for each target that has no state of its own."""
    keys = {name: f"s{number}" for number, name in enumerate(flow.states)}
    nodes = [Node("start", Kind.START, "", "")]
    nodes += [
        Node(keys[name], KINDS.get(state.type, Kind.WORK), name, "" if name == state.type else state.type)
        for name, state in flow.states.items()
    ]
    edges = [Edge("start", keys[flow.start], "", False)] if flow.start in keys else []
    for state in flow.states.values():
        for label, target in edges_of(flow, state):
            if target not in keys:
                keys[target] = f"t{len(keys)}"
                kind = Kind.END if target == END else Kind.UNKNOWN
                nodes.append(Node(keys[target], kind, target, "" if kind is Kind.END else "unknown state"))
            edges.append(Edge(keys[state.name], keys[target], shown_label(label), label == "error"))
    return Diagram(flow.name, tuple(nodes), tuple(dict.fromkeys(edges)))


def edges_of(flow: Flow, state: State) -> Iterator[tuple[str, str]]:
    """A state's edges, with the ones it leaves unsaid: what has no target ends the run, or the pass of its loop."""
    if state.type == "end":
        return
    targets = dict(state.targets)
    onward = targets.get("next", END)
    if state.type == "if":
        targets = {**dict.fromkeys(CHOICES, onward), **{k: v for k, v in targets.items() if k != "next"}}
    elif not any(label in targets for label in ("next", "success", "done", "default")):
        targets["done" if state.type == "loop" else "next"] = END
    for label, target in targets.items():
        joins = state.type == "parallel" and label in ("next", "success")
        yield "joined" if joins else label, resolve(flow, state, target)


def resolve(flow: Flow, state: State, target: str) -> str:
    """Name the state that a pseudo-target stands for, where the loop it acts on can be told from the text. The end of
    a branch is where its `parallel` joins it again."""
    if target == END and (fork := owner_of(flow, state)) is not None and fork.type == "parallel":
        return fork.name
    if target not in (CONTINUE, BREAK) or target in flow.states:
        return target
    loop = innermost_loop(flow, state)
    if loop is None:
        return target
    return loop.name if target == CONTINUE else loop.targets.get("done", END)


def innermost_loop(flow: Flow, state: State) -> State | None:
    """The loop whose body holds the state: by its nested name, else the first whose body leads to it."""
    owner = owner_of(flow, state)
    if owner is not None and owner.type == "loop":
        return owner
    loops = [found for found in flow.states.values() if found.type == "loop" and found is not state]
    return next((loop for loop in loops if leads_to(flow, loop, state.name)), None)


def owner_of(flow: Flow, state: State) -> State | None:
    """The innermost loop or parallel in whose nested body the state stands."""
    scope = state.name
    while "/" in scope:
        scope = scope.rpartition("/")[0]
        if scope in flow.states and flow.states[scope].type in ("loop", "parallel"):
            return flow.states[scope]
    return None


def leads_to(flow: Flow, loop: State, wanted: str) -> bool:
    """Whether a loop's body reaches a state without passing the loop again."""
    seen = {loop.name}
    waiting = [loop.targets["body"]] if "body" in loop.targets else []
    while waiting:
        name = waiting.pop()
        if name == wanted:
            return True
        if name not in seen and name in flow.states:
            seen.add(name)
            waiting += flow.states[name].targets.values()
    return False


def shown_label(label: str) -> str:
    """What stands beside an arrow."""
    head, _, rest = label.partition(":")
    return rest if head in ("case", "branch") and rest else PLAIN.get(label, label)
