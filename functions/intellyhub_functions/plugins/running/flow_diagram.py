"""`flow.flow`: what published listeners start for each event. Here that makes an event; the platform runs the flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from intellyhub_functions.plugins.running.state_class import STATE_REGISTRY

__all__ = ["FlowDiagram", "create_state"]

Send = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Hands over what an event brought; gives the variables that the run left, where they are known. Blocks until the event
is safe."""


class Door:
    """Where events go; there is none in the process of a state."""

    send: Send | None = None


class FlowDiagram:
    """`FlowDiagram(config, global_context, start_state=None)`: `variables` are filled, then `run` is called."""

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        global_context: Mapping[str, Any] | None = None,
        start_state: str | None = None,
        *_more: Any,
        **_options: Any,
    ) -> None:
        self.config = dict(config or {})
        self.global_context = dict(global_context or {})
        self.start_state = start_state
        written = self.config.get("variables")
        self.variables: dict[str, Any] = dict(written) if isinstance(written, dict) else {}
        self._given = (dict(self.variables), self.global_context)

    def run(self, *_more: Any, **_options: Any) -> dict[str, Any]:
        """Hand over what was put into `variables` since. Returns when the event is safe."""
        if Door.send is None:
            raise RuntimeError("a state cannot start a flow of its own; use a state of the type `call`")
        brought = {
            str(name): value
            for name, value in self.variables.items()
            if not any(name in given and (given[name] is value or given[name] == value) for given in self._given)
        }
        self.variables.update(Door.send(brought))
        return self.variables


def create_state(name: str, state_config: dict[str, Any], global_context: dict[str, Any] | None = None) -> Any:
    """A state of a registered class, by its `state_type`."""
    kind = str(state_config.get("state_type", state_config.get("type", "")))
    found = STATE_REGISTRY.get(kind)
    if found is None:
        raise ValueError(f"no class is registered for the state type {kind!r}")
    return found(name, state_config, {} if global_context is None else global_context)
