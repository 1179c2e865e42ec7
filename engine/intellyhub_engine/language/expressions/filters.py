"""Filters: `{text|upper}` in a placeholder, `{{ text | upper }}` in a Jinja block. One table serves both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.expressions import access, arithmetic
from intellyhub_engine.language.expressions.checks import CHECKS
from intellyhub_engine.language.expressions.functions import FUNCTIONS, to_json
from intellyhub_engine.language.expressions.limits import paid, spend, spend_text, ticks, weigh
from intellyhub_engine.language.values.values import text_of

__all__ = ["FILTERS", "LIST_FILTERS"]

_MAX_WIDTH = 1_000


def _method(name: str) -> Callable[..., Any]:
    """A filter that is a method of the value's text."""

    def call(budget: list[int], scope: Any, value: Any, *arguments: Any) -> Any:
        return access.call_method(budget, text_of(value), name, *arguments)

    return call


def _default(budget: list[int], scope: Any, value: Any, other: Any = "", empty: bool = False) -> Any:
    return other if value is None or (empty and not value) else value


def _join(budget: list[int], scope: Any, value: Any, separator: str = "", attribute: str | None = None) -> str:
    items = _attributes(budget, value, attribute) if attribute else ticks(budget, value)
    return access.join(budget, separator, [text_of(item) for item in items])


def _path(value: Any, path: str | int) -> Any:
    """A part by its path; None where there is none."""
    for part in str(path).split("."):
        value = access.get_item(value, int(part)) if part.isdecimal() else access.attribute_or(value, part, None)
    return value


def _attributes(budget: list[int], value: Any, path: str | int) -> list[Any]:
    return [_path(item, path) for item in ticks(budget, value)]


def _map(
    budget: list[int], scope: Any, value: Any, name: str | None = None, *arguments: Any, **options: Any
) -> list[Any]:
    if "attribute" in options:
        return _attributes(budget, value, options["attribute"])
    apply = FILTERS.get(name or "")
    if apply is None:
        raise EvaluationFailed(f"there is no filter {name!r}")
    return [apply(budget, scope, item, *arguments) for item in ticks(budget, value)]


def _selecting(*, keep: bool, by_attribute: bool) -> Callable[..., Any]:
    """`select`, `reject`, `selectattr('a.b')`, `rejectattr('a.b', 'test', argument)`."""

    def call(budget: list[int], scope: Any, value: Any, *arguments: Any) -> list[Any]:
        path, tested = (arguments[0], arguments[1:]) if by_attribute else ("", arguments)
        check = _check(budget, *tested)
        found = ((item, _path(item, path) if by_attribute else item) for item in ticks(budget, value))
        return [item for item, part in found if check(part) is keep]

    return call


def _check(budget: list[int], name: str | None = None, *arguments: Any) -> Callable[[Any], bool]:
    if name is None:
        return bool
    if name not in CHECKS:
        raise EvaluationFailed(f"there is no test {name!r}")
    return lambda part: bool(paid(budget, CHECKS[name], part, *arguments))


def _sort(budget: list[int], scope: Any, value: Any, reverse: bool = False, attribute: str | None = None) -> list[Any]:
    def key(item: Any) -> Any:
        found = _path(item, attribute) if attribute else item
        return found.casefold() if isinstance(found, str) else found

    weigh(value)
    return sorted(ticks(budget, value), key=key, reverse=bool(reverse))


def _end(position: int) -> Callable[..., Any]:
    def call(budget: list[int], scope: Any, value: Any) -> Any:
        items = list(ticks(budget, value)) if isinstance(value, (dict, set, frozenset)) else value
        return access.get_item(items, position) if len(items) else None

    return call


def _number(make: str) -> Callable[..., Any]:
    def call(budget: list[int], scope: Any, value: Any, default: Any = 0) -> Any:
        try:
            return FUNCTIONS[make](budget, scope, value)
        except (TypeError, ValueError):
            return default

    return call


def _int(budget: list[int], scope: Any, value: Any, default: Any = 0) -> Any:
    try:
        return FUNCTIONS["int"](budget, scope, value)
    except (TypeError, ValueError):
        number = _number("float")(budget, scope, value, None)
        return default if number is None else int(number)


def _replace(budget: list[int], scope: Any, value: Any, old: str, new: str, count: int = -1) -> str:
    return access.replace(budget, text_of(value), text_of(old), text_of(new), count)


def _sum(budget: list[int], scope: Any, value: Any, attribute: str | None = None, start: Any = 0) -> Any:
    items = _attributes(budget, value, attribute) if attribute else value
    return FUNCTIONS["sum"](budget, scope, items, start)


def _unique(budget: list[int], scope: Any, value: Any) -> list[Any]:
    weigh(value)
    seen: list[Any] = []
    for item in ticks(budget, value):
        spend(budget, len(seen))
        if item not in seen:
            seen.append(item)
    return seen


def _truncate(
    budget: list[int], scope: Any, value: Any, length: int = 255, killwords: bool = False, end: str = "..."
) -> str:
    text = text_of(value)
    if len(text) <= length:
        return text
    spend_text(budget, length)
    cut = text[: max(length - len(end), 0)]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + end


def _indent(budget: list[int], scope: Any, value: Any, width: int = 4, first: bool = False) -> str:
    text = text_of(value)
    if width > _MAX_WIDTH:
        raise EvaluationFailed(f"an indent of more than {_MAX_WIDTH} is refused")
    spend_text(budget, len(text) + width * (text.count("\n") + 1))
    return (" " * width if first else "") + text.replace("\n", "\n" + " " * width)


def _json(budget: list[int], scope: Any, value: Any, indent: int | None = None) -> str:
    text = to_json(value, indent=indent)
    spend_text(budget, len(text))
    return text


def _urlencode(budget: list[int], scope: Any, value: Any) -> str:
    spend_text(budget, 4 * len(text_of(value)))
    safe = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~/"
    return "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in text_of(value).encode("utf-8", "replace"))


def _escape(budget: list[int], scope: Any, value: Any) -> str:
    from html import escape

    text = text_of(value)
    spend_text(budget, 6 * len(text))
    return escape(text)


def _reverse(budget: list[int], scope: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return FUNCTIONS["reversed"](budget, scope, value)
    spend_text(budget, len(value))
    return value[::-1]


def _string(budget: list[int], scope: Any, value: Any) -> str:
    text = text_of(value)
    spend_text(budget, len(text))
    return text


FILTERS: dict[str, Callable[..., Any]] = {
    **{name: _method(name) for name in ("upper", "lower", "title", "capitalize", "strip", "lstrip", "rstrip", "split")},
    **{name: FUNCTIONS[name] for name in ("abs", "list", "max", "min", "round")},
    "count": FUNCTIONS["len"],
    "d": _default,
    "default": _default,
    "e": _escape,
    "escape": _escape,
    "first": _end(0),
    "float": _number("float"),
    "format": lambda budget, scope, value, spec: arithmetic.format_value(budget, value, spec),
    "indent": _indent,
    "int": _int,
    "items": lambda budget, scope, value: access.call_method(budget, value, "items"),
    "join": _join,
    "json": _json,
    "last": _end(-1),
    "length": FUNCTIONS["len"],
    "map": _map,
    "reject": _selecting(keep=False, by_attribute=False),
    "rejectattr": _selecting(keep=False, by_attribute=True),
    "replace": _replace,
    "reverse": _reverse,
    "select": _selecting(keep=True, by_attribute=False),
    "selectattr": _selecting(keep=True, by_attribute=True),
    "sort": _sort,
    "string": _string,
    "sum": _sum,
    "tojson": _json,
    "trim": _method("strip"),
    "truncate": _truncate,
    "unique": _unique,
    "urlencode": _urlencode,
    "wordcount": lambda budget, scope, value: len(access.call_method(budget, text_of(value), "split")),
}
"""Name -> `filter(budget, scope, value, *arguments)`."""

LIST_FILTERS = frozenset(
    [
        "count",
        "first",
        "join",
        "last",
        "length",
        "list",
        "map",
        "max",
        "min",
        "reject",
        "rejectattr",
        "reverse",
        "select",
        "selectattr",
        "sort",
        "sum",
        "unique",
    ]
)
"""Filters of lists; in a Jinja block they take a missing value for an empty one."""
