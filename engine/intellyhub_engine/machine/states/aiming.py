"""The state that a function chose to come next, found from where the state stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from intellyhub_engine.language.model import BREAK, CONTINUE, END
from intellyhub_engine.machine.active import JUMPS

if TYPE_CHECKING:
    from intellyhub_engine.machine.active import ActiveRun
    from intellyhub_engine.machine.states.node import Node

__all__ = ["find_target"]

PSEUDO = {"continue": CONTINUE, "break": BREAK}


def find_target(run: ActiveRun, node: Node, chosen: str) -> str:
    """The full name of the state that is meant, as the parser would have found it: an edge of the state as it is, a
    neighbour in the same body, a state further out. In a loop's body, `end` ends the pass."""
    if chosen in JUMPS or chosen in node.code.targets.values():
        return chosen
    place = node.name
    while "/" in place:
        place = place.rpartition("/")[0]
        if f"{place}/{chosen}" in run.program:
            return f"{place}/{chosen}"
    in_loop = any(node.name.startswith(f"{loop}/") for loop in run.loops)
    if chosen in PSEUDO and chosen not in run.program:
        return PSEUDO[chosen]
    return CONTINUE if in_loop and (chosen == END or chosen in run.program) else chosen
