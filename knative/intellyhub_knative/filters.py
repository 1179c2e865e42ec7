"""Which events a flow takes from its tenant's broker: the dialects of a Knative Trigger, checked and evaluated.

https://github.com/knative/specs/blob/main/specs/eventing/control-plane.md#trigger and `spec.filters` of a Trigger:
`exact`, `prefix`, `suffix`, `all`, `any`, `not`. All of a list must match. An attribute that an event does not have
matches nothing; the value "" in `exact` asks for any value at all. Unlike stock Knative, what could never match or
would match by accident (an empty list, a filter without attributes) is refused instead of taken silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.events import Event
from intellyhub_functions.sources.event.filters import (
    NOTHING_WANTED,
    find_filter_faults,
    join_filters,
)

__all__ = ["check_filters", "make_filters", "matches"]

CORE = frozenset(("id", "source", "type", "subject", "time", "datacontenttype", "dataschema"))


def make_filters(exact: object, filters: object) -> tuple[Mapping[str, Any], ...]:
    """The list of a deployment, from an `event` listener's `filter` (attribute -> value) and `filters`; where both are
    given both must match. Raises `InputInvalid` with every fault at once."""
    if exact is None and filters is None:
        raise InputInvalid(NOTHING_WANTED)
    written = join_filters(exact, filters)
    faults = check_filters(written)
    if faults:
        raise InputInvalid("; ".join(faults))
    return tuple(written)


def check_filters(filters: object) -> list[str]:
    """Everything that is wrong with a list of filters, each fault with its place; empty where nothing is."""
    return [str(fault) for fault in find_filter_faults(filters)]


def matches(event: Event, filters: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an event passes every one of these filters, which `check_filters` found right."""
    return all(passes(event, dialect, inner) for one in filters for dialect, inner in one.items())


def passes(event: Event, dialect: str, inner: Any) -> bool:
    """Whether an event passes one filter."""
    if dialect == "exact":
        return all(is_exact(event, name, as_text(value)) for name, value in inner.items())
    if dialect == "prefix":
        return all((value_of(event, name) or "").startswith(as_text(value)) for name, value in inner.items())
    if dialect == "suffix":
        return all((value_of(event, name) or "").endswith(as_text(value)) for name, value in inner.items())
    if dialect == "all":
        return matches(event, inner)
    if dialect == "any":
        return any(matches(event, [one]) for one in inner)
    return not matches(event, [inner])


def is_exact(event: Event, name: str, wanted: str) -> bool:
    value = value_of(event, name)
    return value is not None and wanted in ("", value)


def value_of(event: Event, name: str) -> str | None:
    """An attribute as CloudEvents write it; None where the event does not have it."""
    if name == "specversion":
        return "1.0"
    value = getattr(event, name) if name in CORE else event.extensions.get(name)
    return None if value is None else as_text(value)


def as_text(value: object) -> str:
    # https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system: booleans are true and false.
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
