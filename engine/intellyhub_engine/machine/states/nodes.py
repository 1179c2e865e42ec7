"""States made into callables: each is built once, when a run first arrives, out of just the parts it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from intellyhub_engine.catalogue.control import LISTENER_STATE
from intellyhub_engine.journal.records import StepStatus
from intellyhub_engine.language.program import StateCode
from intellyhub_engine.machine.active import JUMPS
from intellyhub_engine.machine.states.children import make_call, make_parallel
from intellyhub_engine.machine.states.decisions import make_assert, make_end, make_if, make_pass, make_set, make_switch
from intellyhub_engine.machine.states.effects import make_effect
from intellyhub_engine.machine.states.emitting import make_emit
from intellyhub_engine.machine.states.failures import as_step_failure, error_target_of, make_say
from intellyhub_engine.machine.states.loops import make_loop
from intellyhub_engine.machine.states.mocking import make_mock, make_unmocked
from intellyhub_engine.machine.states.node import Advance, Move, Node, UnknownState
from intellyhub_engine.machine.states.retries import with_retries
from intellyhub_engine.machine.states.steps import finish
from intellyhub_engine.machine.states.waiting import make_wait

if TYPE_CHECKING:
    from intellyhub_engine.catalogue.manifest import Catalogue
    from intellyhub_engine.errors import EngineError
    from intellyhub_engine.language.program import LogCode, Program
    from intellyhub_engine.language.values.projection import Projection
    from intellyhub_engine.machine.active import ActiveRun

__all__ = ["Nodes", "nodes_of"]

CONTROL: Mapping[str, Callable[[StateCode, Nodes], Node]] = MappingProxyType(
    {
        "if": make_if,
        "switch": make_switch,
        "set": make_set,
        "assert": make_assert,
        "end": make_end,
        "loop": make_loop,
        "parallel": make_parallel,
        "wait": make_wait,
        "call": make_call,
        "emit": make_emit,
        LISTENER_STATE: make_pass,
    }
)
"""How the machine performs its own state types; every other type is a function of the catalogue."""


class Nodes:
    """The callables of one program with one catalogue, by state name."""

    __slots__ = ("_projection", "called", "catalogue", "mocks", "program", "table")

    def __init__(
        self, program: Program, catalogue: Catalogue, mocks: Mapping[str, Any] | None = None, *, called: bool = False
    ) -> None:
        self.program = program
        self.catalogue = catalogue
        self.mocks = mocks
        """Results by state name, in a flow's test: then no state touches the world."""
        self.called = called
        """In a flow's test: that of a flow which the tested one calls, whose states the test cannot name."""
        self.table: dict[str, Node] = {}
        """Those that a run has visited; `at` makes the others."""
        self._projection: Projection | None = None

    @property
    def projection(self) -> Projection:
        """What an event puts into the flow's variables."""
        if self._projection is None:
            from intellyhub_engine.language.values.projection import Projection

            listener = self.program.head.listener
            source = self.catalogue.sources.get(listener.type) if listener else None
            self._projection = Projection(source, listener)
        return self._projection

    def at(self, name: str) -> Node:
        """The state of that name. Raises UnknownState, and what keeps a state from being made."""
        node = self.table.get(name)
        if node is None:
            if name not in self.program:
                raise UnknownState(name)
            node = self.table[name] = make_any(name, self)
        return node

    def of(self, program: Program) -> Nodes:
        """The callables of a flow that this one calls: in a test, without its mocks."""
        if program is self.program:
            return self
        return (
            nodes_of(program, self.catalogue) if self.mocks is None else Nodes(program, self.catalogue, {}, called=True)
        )


def nodes_of(program: Program, catalogue: Catalogue) -> Nodes:
    """The program's callables, made once per catalogue."""
    linked: tuple[Catalogue, Nodes] | None = program.linked.get(id(catalogue))
    if linked is None:
        linked = program.linked[id(catalogue)] = (catalogue, Nodes(program, catalogue))
    return linked[1]


def make_any(name: str, nodes: Nodes) -> Node:
    """The state's callable; one that fails with the reason, where it cannot be made."""
    code = StateCode.unreadable(name)
    try:
        code = nodes.program.state(name)
        return make_node(code, nodes)
    except Exception as fault:  # noqa: BLE001 - importing a function runs foreign code
        failure = as_step_failure(fault, f"the state {name!r}")
        return Node(code, make_failing(failure), error_target=error_target_of(code, nodes), pure=False)


def make_failing(failure: EngineError) -> Advance:
    def advance(run: ActiveRun) -> Move:
        raise failure

    return advance


def make_node(code: StateCode, nodes: Nodes) -> Node:
    """The callable of one state."""
    node = choose(code, nodes)
    if node.pure and not JUMPS.isdisjoint(code.targets.values()):
        node.advance = with_jumps(node)
    if code.retry is not None:
        node.advance = with_retries(node, code.retry)
    if code.log is not None and not code.log.of_failure:
        node.advance = with_log(node.advance, code, code.log)
    return node


def choose(code: StateCode, nodes: Nodes) -> Node:
    if nodes.mocks is not None:
        if code.name in nodes.mocks:
            return make_mock(code, nodes, nodes.mocks[code.name])
        kind = nodes.catalogue.states.get(code.type)
        if code.mock is not None:
            return make_mock(code, nodes, code.mock)
        if code.type not in CONTROL and (kind is None or kind.effect):
            return make_unmocked(code, nodes)
    make = CONTROL.get(code.type)
    return make(code, nodes) if make else make_effect(code, nodes)


def with_log(advance: Advance, code: StateCode, log: LogCode) -> Advance:
    """Log after the state ran, so that the text may speak of its result."""
    say = make_say(code.name, log)

    def advance_and_log(run: ActiveRun) -> Move:
        step = advance(run)
        say(run)
        return step

    return advance_and_log


def with_jumps(node: Node) -> Advance:
    """Resolve `continue_loop` and `break_loop` against the loops that are active now."""
    advance = node.advance

    def advance_and_land(run: ActiveRun) -> Move:
        target, changes = advance(run)
        if target not in JUMPS or changes is None:
            return target, changes
        return finish(run, node, StepStatus.SUCCEEDED, target, changes), None

    return advance_and_land
