"""The names that compiled code finds: nothing of Python is reachable from it but these functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.expressions import access, arithmetic, comparison, functions, limits
from intellyhub_engine.language.expressions.checks import CHECKS
from intellyhub_engine.language.expressions.filters import FILTERS
from intellyhub_engine.language.texts.shell_values import Unresolved, bind, bind_checked, number, script
from intellyhub_engine.language.values.records import TextRecord, ValueRecord
from intellyhub_engine.language.values.scope import Scope, TolerantScope, UnknownName
from intellyhub_engine.language.values.values import decode, text_of

__all__ = ["RUNTIME", "name_of"]

_FALSE_TEXTS = frozenset({"", "false", "0", "none", "null"})
_LONGEST_FALSE = 5


def name_of(kind: str, name: str) -> str:
    """The name under which compiled code finds an entry of a table: `function len`, `natural contains any`."""
    return f"{kind}_{name.replace(' ', '_').replace('.', '_')}"


def truth(value: Any) -> bool:
    """Whether a value that is a condition by itself holds; the texts `false`, `0`, `none` and `null` do not."""
    if type(value) is bool:
        return value
    if isinstance(value, (str, TextRecord)):
        text = str(value).strip()
        return len(text) > _LONGEST_FALSE or text.lower() not in _FALSE_TEXTS
    return bool(value)


def slice_of(budget: list[int], value: Any, *bounds: Any) -> Any:
    """`value[a:b:c]`, paid for."""
    if hasattr(value, "__len__"):
        limits.spend(budget, len(value) // 32 if isinstance(value, (str, bytes)) else len(value))
    return access.get_item(value, slice(*bounds))


def or_none(later: Callable[[], Any]) -> Any:
    """The value, or None where it cannot be resolved: what the filter `default` works on."""
    try:
        return later()
    except (UnknownName, EvaluationFailed):
        return None


def chain(comparisons: tuple[Any, ...], *values: Any) -> bool:
    """`a < b <= c`."""
    return all(compare(left, right) for compare, left, right in zip(comparisons, values, values[1:], strict=False))


def concatenate(budget: list[int], *texts: str) -> str:
    """The texts in a row, paid for."""
    limits.spend_text(budget, sum(map(len, texts)))
    return "".join(texts)


def failed(error: Exception, what: str) -> EvaluationFailed:
    """The fault of a text that met values it cannot work with."""
    return EvaluationFailed(f"{what} cannot be evaluated: {_reason(error)}")


def left(scope: Scope, source: str, error: Exception) -> str:
    """A placeholder as written, because it could not be resolved; the reason goes to the scope's warnings."""
    scope.warnings.append(f"{source} is left as written: {_reason(error)}")
    return source


def note(scope: Scope, message: str) -> None:
    """Report something about the flow's text."""
    scope.warnings.append(message)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, (EvaluationFailed, UnknownName)) else f"{type(error).__name__}: {error}"


def json_value(value: Any) -> str:
    """The value where a JSON text expects a value; a text that is JSON already stays."""
    if isinstance(value, str):
        import json

        try:
            json.loads(value)
        except (ValueError, RecursionError):
            return functions.to_json(value)
        return value
    return functions.to_json(str(value) if isinstance(value, TextRecord) else value)


def json_inner(value: Any) -> str:
    """The value inside a string of a JSON text."""
    shown = functions.to_json(value) if _is_container(value) else text_of(value)
    return functions.to_json(shown)[1:-1]


def _is_container(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple)) and not isinstance(value, TextRecord)


def dollar(scope: Scope, name: str, path: tuple[str, ...]) -> tuple[Any, str]:
    """The value of `$name.path`, and the part of the path that it does not have (`$file.txt`)."""
    value = scope[name]
    for position, part in enumerate(path):
        if not access.has_attribute(value, part):
            return value, "".join("." + rest for rest in path[position:])
        value = access.get_attribute(value, part)
    return value, ""


def dollar_text(scope: Scope, name: str, path: tuple[str, ...]) -> str:
    """`$name.path` inside a text."""
    value, rest = dollar(scope, name, path)
    return text_of(value) + rest


def dollar_value(scope: Scope, name: str, path: tuple[str, ...]) -> Any:
    """`$name.path` as a whole value."""
    value, rest = dollar(scope, name, path)
    return text_of(value) + rest if rest else value


def imported(name: str) -> Any:
    """A function or constant of the library; it is loaded when a flow uses one."""
    from intellyhub_engine.language.expressions import library

    return library.LIBRARY[name] if name in library.LIBRARY else library.CONSTANTS[name]


def soft_name(scope: Scope, name: str) -> Any:
    """The variable, or None where there is none, which is reported."""
    try:
        return scope[name]
    except UnknownName as unknown:
        scope.warnings.append(f"{unknown}: taken as empty")
        return None


def soft_attribute(value: Any, name: str) -> Any:
    """`value.name`, or None."""
    return access.attribute_or(value, name, None)


def soft_item(value: Any, index: Any) -> Any:
    """`value[index]`, or None."""
    try:
        return access.get_item(value, index)
    except (EvaluationFailed, TypeError):
        return None


def soft_items(value: Any) -> Any:
    """The value, or no items where it is missing."""
    return [] if value is None else value


def emit(budget: list[int], output: list[str], value: Any) -> None:
    """Append the value's text to what a Jinja text has made so far."""
    text = value if type(value) is str else text_of(value)
    limits.spend(budget, 1)
    limits.spend_text(budget, len(text))
    output.append(text)


class Loop(ValueRecord):
    """What a Jinja loop calls `loop`."""

    __slots__ = ()
    exposed = frozenset({"cycle"})

    def cycle(self, *values: Any) -> Any:
        """The values in turn."""
        return values[self["index0"] % len(values)]


def loop_items(items: Any) -> list[tuple[Loop, Any]]:
    """The items of a Jinja loop, each with its `loop`."""
    listed = list(items)
    count = len(listed)
    return [
        (
            Loop(
                index=index + 1,
                index0=index,
                revindex=count - index,
                revindex0=count - index - 1,
                first=index == 0,
                last=index == count - 1,
                length=count,
                previtem=listed[index - 1] if index else None,
                nextitem=listed[index + 1] if index + 1 < count else None,
            ),
            item,
        )
        for index, item in enumerate(listed)
    ]


def check(name: str, value: Any, *arguments: Any) -> bool:
    """A Jinja test."""
    return bool(CHECKS[name](value, *arguments))


RUNTIME: dict[str, Any] = {
    "__builtins__": {},
    "BUDGET": limits.BUDGET,
    "Exception": Exception,
    "TolerantScope": TolerantScope,
    "UnknownName": UnknownName,
    "Unresolved": Unresolved,
    "bare_item": access.bare_item,
    "bind": bind,
    "bind_checked": bind_checked,
    "bool": bool,
    "call_method": access.call_method,
    "chain": chain,
    "concatenate": concatenate,
    "decode": decode,
    "dollar_text": dollar_text,
    "dollar_value": dollar_value,
    "failed": failed,
    "float": float,
    "format_value": arithmetic.format_value,
    "get_attribute": access.get_attribute,
    "get_item": access.get_item,
    "imported": imported,
    "int": int,
    "check": check,
    "emit": emit,
    "loop_items": loop_items,
    "record_of": functions.record_of,
    "set_of": functions.set_of,
    "soft_attribute": soft_attribute,
    "soft_item": soft_item,
    "soft_items": soft_items,
    "soft_name": soft_name,
    "json_inner": json_inner,
    "json_value": json_value,
    "left": left,
    "note": note,
    "number": number,
    "or_none": or_none,
    "paid": limits.paid,
    "script": script,
    "slice_of": slice_of,
    "str": str,
    "text_of": text_of,
    "ticks": limits.ticks,
    "truth": truth,
    "type": type,
    **{
        name: getattr(comparison, name)
        for name in ["eq", "ne", "lt", "le", "gt", "ge", "inside", "not_inside", "is_", "is_not"]
    },
    **{name_of("natural", name): function for name, function in comparison.NATURAL.items()},
    **{name_of("function", name): function for name, function in functions.FUNCTIONS.items()},
    **{name_of("filter", name): function for name, function in FILTERS.items()},
    **{name_of("binary", name): function for name, function in arithmetic.BINARY.items()},
    **{name_of("unary", name): function for name, function in arithmetic.UNARY.items()},
}
