"""What an event listener's filters may say, and what is wrong with those that say something else."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.language.spelling import did_you_mean

__all__ = ["ATTRIBUTES", "LISTS", "NOTHING_WANTED", "FilterFault", "examine", "find_filter_faults", "join_filters"]

ATTRIBUTES = ("exact", "prefix", "suffix")
LISTS = ("all", "any")
DIALECTS = (*ATTRIBUTES, *LISTS, "not")
NOTHING_WANTED = (
    "the event listener does not say which events it takes: it needs filter, filters or both;"
    ' `filter: {type: ""}` takes all'
)
MAX_DEPTH = 10
MAX_FILTERS = 100
"""In one list."""
MAX_TEXT = 1000
"""Characters of a value."""
Way = tuple[str | int, ...]


class FilterFault(NamedTuple):
    """One fault, and where in the list it is."""

    path: Way
    """From the list on: `(0, "exact", "type")`."""
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        return f"{place(self.path)} {self.message}"


def place(path: Way) -> str:
    """As an author reads it: `filters[0].exact`."""
    return "filters" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """The faults of a listener's `filter` and `filters`, each at its own place."""
    if not unknown and known.get("filter") is None and known.get("filters") is None:
        yield ParameterFault((), NOTHING_WANTED)
    if known.get("filter") is not None:
        for fault in faults_of_attributes(known["filter"], (), may_be_empty=True):
            yield ParameterFault(("filter", *fault.path), f"the filter {fault.message}", fault.suggestion)
    if known.get("filters") is not None:
        written = known["filters"]
        outer = 0 if isinstance(written, list | tuple) else 1
        for fault in find_filter_faults(join_filters(None, written)):
            yield ParameterFault(("filters", *fault.path[outer:]), str(fault), fault.suggestion)


def join_filters(exact: object, filters: object) -> list[Any]:
    """One list of a listener's `filter` and `filters`."""
    written: list[Any] = [] if exact is None else [{"exact": exact}]
    return written + (list(filters) if isinstance(filters, list | tuple) else [] if filters is None else [filters])


def find_filter_faults(filters: object) -> Iterator[FilterFault]:
    """Everything that is wrong with a list of filters."""
    yield from faults_of_list(filters, (), 0)


def faults_of_list(filters: object, where: Way, depth: int) -> Iterator[FilterFault]:
    if not isinstance(filters, list | tuple):
        yield FilterFault(where, "is not a list of filters")
    elif not filters:
        yield FilterFault(where, "is empty: it would take every event or none; say which")
    elif len(filters) > MAX_FILTERS:
        yield FilterFault(where, f"holds more than {MAX_FILTERS} filters")
    else:
        for number, one in enumerate(filters):
            yield from faults_of(one, (*where, number), depth)


def faults_of(one: object, where: Way, depth: int) -> Iterator[FilterFault]:
    if depth >= MAX_DEPTH:
        yield FilterFault(where, f"is nested more than {MAX_DEPTH} deep")
        return
    if not isinstance(one, Mapping) or not one:
        yield FilterFault(where, "is not a filter such as {exact: {type: order.created}}")
        return
    if len(one) > 1:
        dialects = ", ".join(map(str, one))
        yield FilterFault(where, f"has several dialects ({dialects}); one filter has one, `all` joins several")
    for dialect, inner in one.items():
        inside = (*where, dialect)
        if dialect in ATTRIBUTES:
            yield from faults_of_attributes(inner, inside, may_be_empty=dialect == "exact")
        elif dialect in LISTS:
            yield from faults_of_list(inner, inside, depth + 1)
        elif dialect == "not":
            yield from faults_of(inner, inside, depth + 1)
        else:
            more = "; CESQL is not offered here" if dialect == "cesql" else ""
            message = f"is no dialect; there are {', '.join(DIALECTS)}{more}"
            yield FilterFault(inside, message, did_you_mean(str(dialect), DIALECTS))


def faults_of_attributes(wanted: object, where: Way, *, may_be_empty: bool) -> Iterator[FilterFault]:
    if not isinstance(wanted, Mapping) or not wanted:
        yield FilterFault(where, "names no attribute with its value, such as {type: order.created}")
        return
    for name, value in wanted.items():
        inside = (*where, name)
        if not isinstance(name, str) or not is_attribute(name):
            yield FilterFault(inside, "cannot be an attribute: a letter, then small letters and digits")
        if not isinstance(value, str | int) or len(str(value)) > MAX_TEXT:
            yield FilterFault(inside, f"is not a text of at most {MAX_TEXT} characters")
        elif value == "" and not may_be_empty:
            yield FilterFault(inside, "is empty; `exact` with an empty text asks for any value")


def is_attribute(name: str) -> bool:
    """Whether an attribute may be called so, as Knative's webhook decides."""
    return name.isascii() and name.isalnum() and name == name.lower() and name[:1].isalpha()
