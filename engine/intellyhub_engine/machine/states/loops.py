"""The loop state: each arrival from its body advances it, until its list is exhausted or its condition is false."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.journal.records import StepStatus
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.values.values import Record, text_of, wrap
from intellyhub_engine.machine.active import NOTHING, ActiveLoop
from intellyhub_engine.machine.states.children import make_mapped
from intellyhub_engine.machine.states.failures import error_target_of
from intellyhub_engine.machine.states.node import Move, Node
from intellyhub_engine.machine.states.outputs import make_assign
from intellyhub_engine.machine.states.steps import finish, table_of

if TYPE_CHECKING:
    from intellyhub_engine.language.program import StateCode
    from intellyhub_engine.machine.active import ActiveRun
    from intellyhub_engine.machine.states.nodes import Nodes

__all__ = ["items_of", "make_loop"]

MAX_COUNT = 1_000_000
"""The largest number a loop counts to."""


def make_loop(code: StateCode, nodes: Nodes) -> Node:
    """One pass after the other in this run, or with `concurrency` every item in a child run."""
    if "concurrency" in code.codes:
        return make_mapped(code, nodes, items_of)
    loop = Loop(code, nodes)
    return loop.node


class Loop:
    """One sequential loop of a program."""

    def __init__(self, code: StateCode, nodes: Nodes) -> None:
        codes = code.codes
        self.items = link(codes["items"]) if "items" in codes else None
        self.holds = link(codes["condition"]) if "condition" in codes else None
        self.collect = link(codes["collect"]) if "collect" in codes else None
        self.item_var = codes["item_var"].body if "item_var" in codes else "item"
        self.body = code.targets.get("body")
        self.done = code.targets.get("done", code.targets.get("next"))
        self.assign = make_assign(code.output if self.collect else None)
        self.name = code.name
        self.node = Node(code, self.advance, error_target=error_target_of(code, nodes), pure=False)
        self.node.leave = self.leave

    def advance(self, run: ActiveRun) -> Move:
        """Begin the next pass, or go on after the loop."""
        loop, news = self.arrive(run)
        if self.goes_on(run, loop):
            changes = self.changes_of(loop)
            run.scope.update(changes)
            table = table_of(run)
            table[self.name].update(news)
            return finish(run, self.node, StepStatus.SUCCEEDED, self.body, changes, loops=table), None
        del run.loops[self.name]
        target, gathered = self.leave(run, loop)
        run.scope.update(gathered)
        return finish(run, self.node, StepStatus.SUCCEEDED, target, gathered, loops=table_of(run)), None

    def arrive(self, run: ActiveRun) -> tuple[ActiveLoop, dict[str, Any]]:
        """The loop, at its first pass or its next, and what the journal is told besides its index."""
        loop = run.loops.get(self.name)
        if loop is None:
            items = items_of(self.items(run.scope), self.name) if self.items else None
            loop = run.loops[self.name] = ActiveLoop(items)
            return loop, {"items": items}
        while next(reversed(run.loops)) != self.name:
            run.loops.popitem()
        news = {}
        if self.collect:
            news["result"] = wrap(self.collect(run.scope))
            loop.results.append(news["result"])
        loop.index += 1
        return loop, news

    def goes_on(self, run: ActiveRun, loop: ActiveLoop) -> bool:
        if loop.items is not None and loop.index >= (loop.items if isinstance(loop.items, int) else len(loop.items)):
            return False
        if self.holds is None:
            return loop.items is not None
        return bool(self.holds(run.scope))

    def changes_of(self, loop: ActiveLoop) -> dict[str, Any]:
        index: dict[str, Any] = {"index": loop.index, "loop_index": loop.index}
        if loop.items is None:
            return index
        return {self.item_var: loop.index if isinstance(loop.items, int) else loop.items[loop.index]} | index

    def leave(self, run: ActiveRun, loop: ActiveLoop) -> tuple[str | None, Mapping[str, Any]]:
        """Where the run goes after the loop, and the list of what it collected."""
        return self.done, self.assign(loop.results, run.scope) if self.collect else NOTHING


def items_of(value: Any, state: str) -> list[Any] | int:
    """What a loop goes over. A mapping gives records {key, value}; a number counts; a text must be a JSON list.

    Raises PermanentError.
    """
    if isinstance(value, str):
        value = list_in(value)
    if isinstance(value, bool) or value is None:
        raise not_a_list(value, state)
    if isinstance(value, int):
        return min(max(value, 0), MAX_COUNT)
    if type(value) in (dict, Record):
        return [Record(key=key, value=item) for key, item in dict.items(value)]
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return list(map(wrap, value))
    raise not_a_list(value, state)


def list_in(text: str) -> Any:
    """The list or number that a text holds, else the text."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return wrap(found) if isinstance(found, list | int) else text


def not_a_list(value: Any, state: str) -> PermanentError:
    shown = text_of(value)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return PermanentError(f"the items of {state!r} must be a list, not {shown!r} ({type(value).__name__})")
