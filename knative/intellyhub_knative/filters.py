"""Which events a flow takes from its tenant's broker: the dialects of a Knative Trigger, checked and evaluated.

https://github.com/knative/specs/blob/main/specs/eventing/control-plane.md#trigger and `spec.filters` of a Trigger:
`exact`, `prefix`, `suffix`, `all`, `any`, `not`. All of a list must match. An attribute that an event does not have
matches nothing; the value "" in `exact` asks for any value at all. Unlike stock Knative, what could never match or
would match by accident (an empty list, a filter without attributes) is refused instead of taken silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.events import Event

__all__ = ["check_filters", "make_filters", "matches"]

ATTRIBUTES = ("exact", "prefix", "suffix")
LISTS = ("all", "any")
DIALECTS = (*ATTRIBUTES, *LISTS, "not")
CORE = frozenset(("id", "source", "type", "subject", "time", "datacontenttype", "dataschema"))
MAX_DEPTH = 10
MAX_FILTERS = 100
"""In one list."""
MAX_TEXT = 1000
"""Characters of a value."""


def make_filters(exact: object, filters: object) -> tuple[Mapping[str, Any], ...]:
    """The list of a deployment, from an `event` listener's `filter` (attribute -> value) and `filters`; where both are
    given both must match. Raises `InputInvalid` with every fault at once."""
    if exact is None and filters is None:
        raise InputInvalid(
            "the event listener does not say which events it takes: it needs filter, filters or both;"
            ' `filter: {type: ""}` takes all'
        )
    written: list[Any] = [] if exact is None else [{"exact": exact}]
    written += filters if isinstance(filters, list | tuple) else [] if filters is None else [filters]
    faults = check_filters(written)
    if faults:
        raise InputInvalid("; ".join(faults))
    return tuple(written)


def check_filters(filters: object) -> list[str]:
    """Everything that is wrong with a list of filters, each fault with its place; empty where nothing is."""
    return list(faults_of_list(filters, "filters", 0))


def faults_of_list(filters: object, where: str, depth: int) -> Iterator[str]:
    if not isinstance(filters, list | tuple):
        yield f"{where} is not a list of filters"
    elif not filters:
        yield f"{where} is empty: it would take every event or none; say which"
    elif len(filters) > MAX_FILTERS:
        yield f"{where} holds more than {MAX_FILTERS} filters"
    else:
        for number, one in enumerate(filters):
            yield from faults_of(one, f"{where}[{number}]", depth)


def faults_of(one: object, where: str, depth: int) -> Iterator[str]:
    if depth >= MAX_DEPTH:
        yield f"{where} is nested more than {MAX_DEPTH} deep"
        return
    if not isinstance(one, Mapping) or not one:
        yield f"{where} is not a filter such as {{exact: {{type: order.created}}}}"
        return
    if len(one) > 1:
        yield f"{where} has several dialects ({', '.join(map(str, one))}); one filter has one, `all` joins several"
    for dialect, inner in one.items():
        place = f"{where}.{dialect}"
        if dialect in ATTRIBUTES:
            yield from faults_of_attributes(inner, place, may_be_empty=dialect == "exact")
        elif dialect in LISTS:
            yield from faults_of_list(inner, place, depth + 1)
        elif dialect == "not":
            yield from faults_of(inner, place, depth + 1)
        else:
            more = "; CESQL is not offered here" if dialect == "cesql" else ""
            yield f"{place} is no dialect; there are {', '.join(DIALECTS)}{more}"


def faults_of_attributes(wanted: object, where: str, *, may_be_empty: bool) -> Iterator[str]:
    if not isinstance(wanted, Mapping) or not wanted:
        yield f"{where} names no attribute with its value, such as {{type: order.created}}"
        return
    for name, value in wanted.items():
        if not isinstance(name, str) or not is_attribute(name):
            yield f"{where}: {name!r} cannot be an attribute: it begins with a letter, then lower-case letters, digits"
        if not isinstance(value, str | int) or len(str(value)) > MAX_TEXT:
            yield f"{where}.{name} is not a text of at most {MAX_TEXT} characters"
        elif value == "" and not may_be_empty:
            yield f"{where}.{name} is empty; `exact` with an empty text asks for any value"


def is_attribute(name: str) -> bool:
    """Whether an attribute may be called so, as Knative's webhook decides."""
    return name.isascii() and name.isalnum() and name == name.lower() and name[:1].isalpha()


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
