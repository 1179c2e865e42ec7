"""The `variables` that a published plugin works on, and what it changed in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import ValueRefused
from intellyhub_engine.language.values.values import encode
from intellyhub_functions.plugins.running.settling import settled

__all__ = ["Variables"]

CONTAINERS = (dict, list, set)
ABSENT = object()


class Variables(dict[str, Any]):
    """The run's variables. Names around the flow (secrets, the environment) are found by name, but are not among those
    that are listed: whoever prints all variables prints no secret."""

    def __init__(self, own: Mapping[str, Any], around: Mapping[str, Any]) -> None:
        super().__init__(own)
        self._around = around
        self._before = dict(own)
        self._encoded = {name: encode(value) for name, value in own.items() if isinstance(value, CONTAINERS)}

    def __missing__(self, name: str) -> Any:
        return self._around[name]

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or name in self._around

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401 - this is what `get` is made of

    def copy(self) -> dict[str, Any]:
        return dict(self.items())

    def changes(self) -> tuple[dict[str, Any], list[str], dict[str, str]]:
        """What was set or changed, what was deleted, and what could not be kept, with the reason."""
        changed: dict[str, Any] = {}
        refused: dict[str, str] = {}
        for name, value in self.items():
            before = self._before.get(name, ABSENT)
            if before is value and name not in self._encoded:
                continue
            try:
                kept = settled(value)
                if before is value and encode(kept) == self._encoded[name]:
                    continue
            except ValueRefused as why:
                refused[str(name)] = str(why)
            else:
                changed[str(name)] = kept
        return changed, [name for name in self._before if not dict.__contains__(self, name)], refused
