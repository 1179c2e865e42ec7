"""A value brought to the type its parameter declares: placeholders often give text where a number is meant."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import TextRecord, text_of, wrap

if TYPE_CHECKING:
    from intellyhub_engine.catalogue.manifest import Parameter

__all__ = ["convert"]

TRUE = frozenset({"true", "yes", "on", "1"})
FALSE = frozenset({"false", "no", "off", "0"})


def convert(value: Any, parameter: Parameter, place: str) -> Any:
    """The value as one of the parameter's types. Raises PermanentError, which names `place` and what was expected."""
    if not any(fits(value, name) for name in parameter.types):
        value = first_that_works(value, parameter, place)
    if parameter.enum and value not in parameter.enum:
        raise PermanentError(f"{place} must be one of {', '.join(map(str, parameter.enum))}, not {shown(value)}")
    check_range(value, parameter, place)
    return value


def fits(value: Any, name: str) -> bool:
    kinds = TYPES.get(name)
    return kinds is None or (isinstance(value, kinds) and (name == "boolean" or not isinstance(value, bool)))


def first_that_works(value: Any, parameter: Parameter, place: str) -> Any:
    for name in parameter.types:
        try:
            return CONVERSIONS[name](value)
        except (ValueError, TypeError, KeyError, OverflowError):
            continue
    raise PermanentError(f"{place} must be of the type {' or '.join(parameter.types)}, not {shown(value)}")


def check_range(value: Any, parameter: Parameter, place: str) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if parameter.minimum is not None and value < parameter.minimum:
        raise PermanentError(f"{place} must be at least {parameter.minimum:g}, not {value:g}")
    if parameter.maximum is not None and value > parameter.maximum:
        raise PermanentError(f"{place} must be at most {parameter.maximum:g}, not {value:g}")


def shown(value: Any) -> str:
    text = repr(text_of(value))
    return text if len(text) <= 60 else text[:57] + "..."


def as_integer(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(value)
    return int(value.strip() if isinstance(value, str) else refuse_bool(value))


def as_number(value: Any) -> float:
    return float(value.strip() if isinstance(value, str) else refuse_bool(value))


def as_boolean(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in TRUE | FALSE:
        raise ValueError(value)
    return text in TRUE


def as_string(value: Any) -> str:
    if isinstance(value, dict | list | tuple | set) and not isinstance(value, TextRecord):
        return json.dumps(value, ensure_ascii=False, default=text_of)
    if isinstance(value, bool):
        return "true" if value else "false"
    return text_of(value)


def as_array(value: Any) -> list[Any]:
    if isinstance(value, set | frozenset):
        return list(value)
    found = json.loads(value)
    if not isinstance(found, list):
        raise TypeError(value)
    return list(wrap(found))


def as_object(value: Any) -> dict[str, Any]:
    found = json.loads(value)
    if not isinstance(found, dict):
        raise TypeError(value)
    return dict.copy(wrap(found))


def refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise TypeError(value)
    return value


TYPES: Mapping[str, type | tuple[type, ...]] = MappingProxyType(
    {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "array": (list, tuple),
        "object": dict,
    }
)
CONVERSIONS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "string": as_string,
        "integer": as_integer,
        "number": as_number,
        "boolean": as_boolean,
        "array": as_array,
        "object": as_object,
    }
)
