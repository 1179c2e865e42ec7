"""`flow.listeners.base_listener`: what published listeners derive from (FLOW_LANGUAGE section 9.3)."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Mapping
from typing import Any

from intellyhub_functions.plugins.running.formatting import format_value

__all__ = ["LISTENER_REGISTRY", "BaseListener", "ListenerMeta"]

LISTENER_REGISTRY: dict[str, type] = {}
"""Id -> class."""
SURROUNDINGS: dict[str, Any] = {}
"""What a listener that hands on one argument only finds as its `global_context`."""


class ListenerMeta(ABCMeta):
    """Registers every class under its `listener_type`, else under its name in lower case."""

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> None:
        super().__init__(name, bases, namespace, **options)
        if bases:
            given = vars(cls).get("listener_type")
            LISTENER_REGISTRY[given if isinstance(given, str) and given else name.lower()] = cls


class BaseListener(metaclass=ListenerMeta):
    """A source of events. Its configuration is resolved already."""

    listener_type: str | None = None

    def __init__(
        self,
        event_config: dict[str, Any] | None = None,
        global_context: dict[str, Any] | None = None,
        *_more: Any,
        **_options: Any,
    ) -> None:
        self.event_config: dict[str, Any] = {} if event_config is None else event_config
        self.config = self.event_config
        self.global_context: dict[str, Any] = dict(SURROUNDINGS) if global_context is None else global_context

    def format_recursive(self, value: Any, variables: Mapping[str, Any] | None = None) -> Any:
        """Fill in the placeholders of a plugin's own texts."""
        return format_value(value, {} if variables is None else variables, self.global_context)

    def setup(self) -> None:
        """What a listener prepares before it listens."""

    def listen(self, config_file: str) -> Any:
        """Listen for ever; make a `FlowDiagram` for each event."""
        raise NotImplementedError(f"{type(self).__name__} has no `listen`")

    def stop(self) -> None:
        """What a listener does at its end."""
