"""What a state's `output` makes of its result: one variable, or several named after fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from intellyhub_engine.machine.active import NOTHING

__all__ = ["Assign", "make_assign"]

Assign = Callable[[Any, Mapping[str, Any]], Mapping[str, Any]]
"""`assign(result, scope)` -> variables to change. The result is a value of `language.values`."""


def make_assign(output: str | Mapping[str, str] | None) -> Assign:
    """A name takes the whole result. A mapping *new name -> field* takes fields of it, or variables where it has no
    such field (FLOW_LANGUAGE section 2); what neither has becomes None."""
    if output is None:
        return lambda result, scope: NOTHING
    if isinstance(output, str):
        return lambda result, scope: {output: result}
    return lambda result, scope: {name: field_of(result, field, scope) for name, field in output.items()}


def field_of(result: Any, field: str, scope: Mapping[str, Any]) -> Any:
    """`a.b` goes into records."""
    value = result
    for part in field.split("."):
        if not isinstance(value, dict) or part not in value:
            return scope.get(field)
        value = value[part]
    return value
