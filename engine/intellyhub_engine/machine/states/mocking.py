"""States in a flow's test: a given result instead of the world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.states.effects import complete
from intellyhub_engine.machine.states.failures import error_target_of
from intellyhub_engine.machine.states.node import Move, Node

if TYPE_CHECKING:
    from intellyhub_engine.language.program import StateCode
    from intellyhub_engine.machine.active import ActiveRun
    from intellyhub_engine.machine.states.nodes import Nodes

__all__ = ["make_mock", "make_unmocked"]


def make_mock(code: StateCode, nodes: Nodes, result: Any) -> Node:
    """The state gives `result`; with `{error: message}` it fails. Its parameters are not evaluated."""
    message = result["error"] if isinstance(result, Mapping) and set(result) == {"error"} else None

    def advance(run: ActiveRun) -> Move:
        if message is not None:
            raise PermanentError(text_of(message))
        return complete(run, node, result)

    node = Node(code, advance, error_target=error_target_of(code, nodes), pure=False)
    return node


def make_unmocked(code: StateCode, nodes: Nodes) -> Node:
    """A test reached a state that would touch the world."""

    def advance(run: ActiveRun) -> Move:
        if nodes.called:
            raise PermanentError(
                f"the state {code.name!r} ({code.type}) of the called flow {run.start.flow!r} touches the world: "
                "give the test a mock for the state that calls it"
            )
        raise PermanentError(
            f"the state {code.name!r} ({code.type}) touches the world: give the test a mock for it, "
            f"mocks: {{{code.name}: <its result>}}"
        )

    return Node(code, advance, error_target=None, pure=False)
