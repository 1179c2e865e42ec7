"""A traffic light (three states, one event, no actions) in every state machine library.

Each function builds the machine once and returns a function that makes `count` transitions and returns the last state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Cycle", "make_automat", "make_burr", "make_dict_loop", "make_statemachine", "make_transitions"]

Cycle = Callable[[int], str]

NEXT = {"red": "green", "green": "yellow", "yellow": "red"}


def make_dict_loop() -> Cycle:
    """The floor: a look-up per transition and a trace of the names, nothing else."""

    def cycle(count: int) -> str:
        state, trace = "red", []
        for number in range(count):
            following = NEXT[state]
            trace.append((number, state, following))
            state = following
        return state

    return cycle


def make_transitions() -> Cycle:
    """As its documentation begins: https://pypi.org/project/transitions."""
    import transitions

    class Light:
        """The model that the library decorates."""

        advance: Callable[[], bool]
        state: str

    light = Light()
    edges = [["advance", source, target] for source, target in NEXT.items()]
    transitions.Machine(light, states=list(NEXT), transitions=edges, initial="red", auto_transitions=False)

    def cycle(count: int) -> str:
        advance = light.advance
        for _ in range(count):
            advance()
        return light.state

    return cycle


def make_automat() -> Cycle:
    """As its documentation begins: https://automat.readthedocs.io."""
    import automat

    class Light(Protocol):
        """The inputs of the machine."""

        def advance(self) -> None:
            """Go on."""

    class Nothing:
        """The machine's core: it keeps nothing."""

    builder = automat.TypeMachineBuilder(Light, Nothing)
    states = {name: builder.state(name) for name in NEXT}
    for source, target in NEXT.items():
        states[source].upon(Light.advance).to(states[target]).returns(None)
    light: Any = builder.build()(Nothing())

    def cycle(count: int) -> str:
        advance = light.advance
        for _ in range(count):
            advance()
        return str(light.__automat_transitioner__._state.name)

    return cycle


def make_statemachine() -> Cycle:
    """As its documentation begins: https://pypi.org/project/python-statemachine."""
    import statemachine

    class Light(statemachine.StateMachine):  # type: ignore[misc]  # types are checked without the peers
        """Declared as the library's own traffic light is."""

        red = statemachine.State(initial=True)
        green = statemachine.State()
        yellow = statemachine.State()
        advance = red.to(green) | green.to(yellow) | yellow.to(red)

    light: Any = Light()

    def cycle(count: int) -> str:
        advance = light.advance
        for _ in range(count):
            advance()
        return str(next(iter(light.configuration)).id)

    return cycle


def make_burr() -> Cycle:
    """Without its tracker, which would write files: https://pypi.org/project/apache-burr."""
    import burr.core

    @burr.core.action(reads=[], writes=[])
    def nothing(state: Any) -> Any:
        return state

    nodes = dict.fromkeys(NEXT, nothing)
    builder = burr.core.ApplicationBuilder().with_actions(**nodes).with_transitions(*NEXT.items())
    light = builder.with_entrypoint("red").build()

    def cycle(count: int) -> str:
        action: Any = None
        for _ in range(count):
            action, _, _ = light.step()
        return str(action.name)

    return cycle
