"""Functions that expressions may call by name, each bounded. What this table does not name cannot be called."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.expressions import access, arithmetic
from intellyhub_engine.language.expressions.limits import kind_of, spend, spend_text, ticks, weigh
from intellyhub_engine.language.values.records import Record, TextRecord
from intellyhub_engine.language.values.values import check_size, text_of

if TYPE_CHECKING:
    from intellyhub_engine.language.values.scope import Scope

__all__ = ["CLASS_NAMES", "FUNCTIONS", "record_of", "set_of", "to_json"]

_MAX_RANGE = 100_000
_MAX_DIGITS = 4_000
_MAX_INDENT = 16
_CLASSES: dict[str, type | tuple[type, ...]] = {
    "str": (str, TextRecord),
    "int": int,
    "float": float,
    "bool": bool,
    "list": list,
    "dict": dict,
    "tuple": tuple,
    "set": set,
}


def to_json(value: Any, *, indent: int | None = None) -> str:
    """The value as JSON text; dates and other things JSON does not know become their text."""
    import json

    check_size(value)
    if indent is not None and not 0 <= int(indent) <= _MAX_INDENT:
        raise EvaluationFailed(f"an indent is a number up to {_MAX_INDENT}")
    return json.dumps(value, ensure_ascii=False, indent=None if indent is None else int(indent), default=_json_default)


def _json_default(value: Any) -> Any:
    return list(value) if isinstance(value, (set, frozenset)) else text_of(value)


def _len(budget: list[int], scope: Scope, value: Any) -> int:
    if not hasattr(value, "__len__"):
        raise EvaluationFailed(f"{kind_of(value)} has no length")
    return len(value)


def _str(budget: list[int], scope: Scope, value: Any = "") -> str:
    text = "None" if value is None else text_of(value)
    spend_text(budget, len(text))
    return text


def _int(budget: list[int], scope: Scope, value: Any = 0, base: int = 10) -> int:
    value = str(value) if isinstance(value, TextRecord) else value
    if isinstance(value, str):
        if len(value) > _MAX_DIGITS:
            raise EvaluationFailed(f"a text of {len(value):,} characters is not read as a number")
        return int(value, base)
    return int(arithmetic.plain_decimal(value) if isinstance(value, Decimal) else value)


def _float(budget: list[int], scope: Scope, value: Any = 0.0) -> float:
    return float(str(value) if isinstance(value, TextRecord) else value)


def _round(budget: list[int], scope: Scope, value: Any, ndigits: int | None = None) -> Any:
    if ndigits is not None and abs(ndigits) > 400:
        raise EvaluationFailed("round takes at most 400 digits")
    return round(arithmetic.plain_decimal(value) if isinstance(value, Decimal) else value, ndigits)


def _range(budget: list[int], scope: Scope, *bounds: int) -> list[int]:
    numbers = range(*bounds)
    if len(numbers) > _MAX_RANGE:
        raise EvaluationFailed(f"a range may have {_MAX_RANGE:,} numbers, this one has {len(numbers):,}")
    spend(budget, len(numbers))
    return list(numbers)


def _sum(budget: list[int], scope: Scope, items: Any, start: Any = 0) -> Any:
    total = start
    for item in ticks(budget, items):
        total = arithmetic.add(budget, total, item)
    return total


def _over(make: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one iterable."""

    def call(budget: list[int], scope: Scope, items: Any = (), **options: Any) -> Any:
        return make(ticks(budget, items), **options)

    return call


def _extreme(choose: Callable[..., Any]) -> Callable[..., Any]:
    def call(budget: list[int], scope: Scope, *values: Any, **options: Any) -> Any:
        weigh(*values)
        return choose(ticks(budget, values[0] if len(values) == 1 else list(values)), **options)

    return call


def _sorted(budget: list[int], scope: Scope, items: Any, *, reverse: bool = False) -> list[Any]:
    weigh(items)
    return sorted(ticks(budget, items), reverse=bool(reverse))


def _reversed(budget: list[int], scope: Scope, items: Any) -> list[Any]:
    return list(ticks(budget, items))[::-1]


def _zip(budget: list[int], scope: Scope, *lists: Any) -> list[tuple[Any, ...]]:
    return list(zip(*(ticks(budget, items) for items in lists), strict=False))


def _enumerate(budget: list[int], scope: Scope, items: Any, start: int = 0) -> list[tuple[int, Any]]:
    return list(enumerate(ticks(budget, items), start))


def _isinstance(budget: list[int], scope: Scope, value: Any, classes: Any) -> bool:
    return any(isinstance(value, _CLASSES[name]) for name in (classes if isinstance(classes, tuple) else (classes,)))


def _now(budget: list[int], scope: Scope) -> datetime:
    return scope.now()


def _format(budget: list[int], scope: Scope, value: Any, spec: str = "") -> str:
    return arithmetic.format_value(budget, value, spec)


def _hasattr(budget: list[int], scope: Scope, value: Any, name: str) -> bool:
    return access.has_attribute(value, name)


def _getattr(budget: list[int], scope: Scope, value: Any, name: str, *default: Any) -> Any:
    return access.attribute_or(value, name, *default) if default else access.get_attribute(value, name)


def _simple(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(budget: list[int], scope: Scope, *arguments: Any) -> Any:
        return function(*arguments)

    return call


def _dict(budget: list[int], scope: Scope, items: Any = (), **entries: Any) -> Record:
    pairs = dict.items(items) if isinstance(items, dict) else items
    return record_of([*ticks(budget, list(pairs)), *entries.items()])


def _tojson(budget: list[int], scope: Scope, value: Any) -> str:
    text = to_json(value)
    spend_text(budget, len(text))
    return text


def set_of(items: list[Any]) -> set[Any]:
    """The items as a set."""
    weigh(items)
    return set(items)


def record_of(pairs: list[Any]) -> Record:
    """Keys and values as a record."""
    weigh([key for key, _ in pairs])
    return Record(pairs)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": _simple(abs),
    "all": _over(all),
    "any": _over(any),
    "bool": _simple(bool),
    "chr": _simple(chr),
    "dict": _dict,
    "enumerate": _enumerate,
    "float": _float,
    "format": _format,
    "getattr": _getattr,
    "hasattr": _hasattr,
    "int": _int,
    "isinstance": _isinstance,
    "len": _len,
    "list": _over(list),
    "max": _extreme(max),
    "min": _extreme(min),
    "now": _now,
    "ord": _simple(ord),
    "range": _range,
    "reversed": _reversed,
    "round": _round,
    "set": lambda budget, scope, items=(): set_of(list(ticks(budget, items))),
    "sorted": _sorted,
    "str": _str,
    "sum": _sum,
    "tojson": _tojson,
    "tuple": _over(tuple),
    "zip": _zip,
}
"""Name -> `function(budget, scope, *arguments)`."""

CLASS_NAMES = frozenset(_CLASSES)
"""What `isinstance` takes as its second argument."""
