"""State type -> what makes its many spellings one. Types without a row have only their manifest's aliases."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from intellyhub_engine.catalogue.control import LISTENER_STATE
from intellyhub_engine.language.parsing.bodies import Body
from intellyhub_engine.language.parsing.branches import normalise_if, normalise_switch
from intellyhub_engine.language.parsing.commands import normalise_command
from intellyhub_engine.language.parsing.listeners import normalise_listener_state
from intellyhub_engine.language.parsing.loops import normalise_loop, normalise_parallel

__all__ = ["DIALECTS"]


def normalise_end(body: Body) -> None:
    """Nothing follows an end."""
    body.goes_on = False


DIALECTS: Mapping[str, Callable[[Body], None]] = {
    "command": normalise_command,
    "end": normalise_end,
    "if": normalise_if,
    LISTENER_STATE: normalise_listener_state,
    "loop": normalise_loop,
    "parallel": normalise_parallel,
    "switch": normalise_switch,
}
