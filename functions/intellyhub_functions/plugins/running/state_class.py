"""`flow.states.base_state`: what published states derive from (FLOW_LANGUAGE section 9.2)."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Mapping
from typing import Any

from intellyhub_functions.plugins.running.formatting import format_value

__all__ = ["STATE_REGISTRY", "BaseState", "StateMeta"]

STATE_REGISTRY: dict[str, type] = {}
"""Id -> class. Plugins read it, and older guides teach to write it."""


class StateMeta(ABCMeta):
    """Registers every class under its `state_type`, else under its name without `State`, in lower case."""

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> None:
        super().__init__(name, bases, namespace, **options)
        if bases:
            STATE_REGISTRY[identify(cls, name)] = cls


def identify(kind: type, name: str) -> str:
    """A class's id: its own attribute counts, not one that it inherits."""
    given = vars(kind).get("state_type")
    lowered = name.lower()
    return given if isinstance(given, str) and given else lowered.removesuffix("state") or lowered


class BaseState(metaclass=StateMeta):
    """A state of a flow. Its configuration is resolved already: every placeholder that a flow's author wrote in it has
    been filled in."""

    state_type: str | None = None

    def __init__(
        self,
        name: str,
        state_config: dict[str, Any] | None = None,
        global_context: dict[str, Any] | None = None,
        *_more: Any,
        **_options: Any,
    ) -> None:
        self.name = name
        self.state_config: dict[str, Any] = {} if state_config is None else state_config
        self.config = self.state_config
        self.global_context: dict[str, Any] = {} if global_context is None else global_context
        self.transition = self.state_config.get("transition")
        self.success_transition = self.state_config.get("success_transition", self.transition)
        self.error_transition = self.state_config.get("error_transition")

    def format_recursive(self, value: Any, variables: Mapping[str, Any] | None = None) -> Any:
        """Fill in the placeholders of a plugin's own texts. What came from outside stays as it is."""
        return format_value(value, {} if variables is None else variables, self.global_context)

    def log_if_configured(self, variables: Mapping[str, Any] | None = None) -> None:
        """Nothing: the engine writes a state's `log` itself, after the state ran, when its text can speak of the
        result."""

    def execute(self, variables: Any) -> Any:
        """Do the work; give the next state's name, or None."""
        raise NotImplementedError(f"{type(self).__name__} has no `execute`")
