"""Other flows, as functions are handed them: each call is a child run of the step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.step import FlowCard

if TYPE_CHECKING:
    from intellyhub_engine.language.program import Program
    from intellyhub_engine.machine.active import ActiveRun

__all__ = ["RunFlows"]


class RunFlows:
    """Satisfies `step.Flows`."""

    def __init__(self, run: ActiveRun) -> None:
        self._run = run

    def find(self, name: str) -> FlowCard | None:
        """What is known of a flow."""
        program = self._program(name)
        if program is None:
            return None
        return FlowCard(name=name, description=program.description, input_schema=program.input_schema)

    def call(self, name: str, given: Mapping[str, Any], *, key: str) -> Any:
        """Run it as a child of this run."""
        from intellyhub_engine.machine.states.child import Job, work
        from intellyhub_engine.machine.states.children import (
            MAX_DEPTH,
            answer_of,
            cancel_waiting,
            raise_failure,
            refuse_call,
            sum_up,
        )

        run, program = self._run, self._program(name)
        if program is None:
            raise PermanentError(f"there is no flow {name!r}")
        refuse_call(program, given)
        if run.depth >= MAX_DEPTH:
            raise PermanentError(f"{name!r} would nest runs more than {MAX_DEPTH} deep: does a flow call itself?")
        run.family.stop_if_told()
        children = work(run, [Job(key, None, program=program, variables=given)], 1)
        sum_up(run, children)
        run.family.stop_if_told()
        [child] = children
        if child.suspended is not None:
            cancel_waiting(children)
            raise PermanentError(f"the flow {name!r} waits at {child.suspended.state!r}: it cannot be called from here")
        raise_failure(child)
        return answer_of(child, None)

    def _program(self, name: str) -> Program | None:
        find = self._run.host.find_flow
        return find(name) if find else None
