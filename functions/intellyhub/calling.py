"""Calls a declared function the way a flow does: values brought to the annotated types, the context filled in."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import AsyncIterator, Awaitable, Generator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from intellyhub.context import Context, SourceContext
from intellyhub.outcomes import Failed

__all__ = ["bind", "call", "finish", "iterate"]

ENDED = object()


def call(function: Any, parameters: Mapping[str, Any], context: Context) -> Any:
    """Call a state's function; one that is `async` runs in an event loop of its own. Raises Failed where a parameter
    does not fit, and whatever the function raises."""
    arguments = bind(function, parameters, context)
    return finish(function(**arguments))


def finish(result: Any) -> Any:
    """The result; of an awaitable after it has run, in an event loop of its own."""
    if not inspect.isawaitable(result):
        return result
    import asyncio  # late: most functions need none of it

    return asyncio.run(await_result(result))


async def await_result(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def bind(function: Any, parameters: Mapping[str, Any], context: Context | SourceContext) -> dict[str, Any]:
    """The arguments of a call. Raises Failed naming the parameter that is missing, unknown or of another type."""
    hints = typing.get_type_hints(function)
    signature = inspect.signature(function)
    takes_all = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in signature.parameters.values())
    arguments: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        hint = hints.get(name, Any)
        if is_context(hint):
            arguments[name] = context
        elif parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        elif parameters.get(name) is not None or (name in parameters and parameter.default is parameter.empty):
            arguments[name] = fit(parameters[name], hint, name)
        elif parameter.default is parameter.empty and not takes_none(hint):
            raise Failed(f"the parameter {name!r} is missing")
        elif parameter.default is parameter.empty:
            arguments[name] = None
    others = {name: value for name, value in parameters.items() if name not in signature.parameters}
    if others and not takes_all:
        raise Failed(f"there is no parameter {next(iter(others))!r}")
    return arguments | others


def iterate(function: Any, arguments: Mapping[str, Any]) -> Generator[Any, None, None]:
    """What a source's function yields, one after the other; also of an `async` generator."""
    found = function(**arguments)
    if not hasattr(found, "__aiter__"):
        yield from found
        return
    import asyncio  # late: most functions need none of it

    with asyncio.Runner() as runner:
        events = aiter(found)
        while (event := runner.run(following(events))) is not ENDED:
            yield event


async def following(events: AsyncIterator[Any]) -> Any:
    """The next one; ENDED after the last."""
    return await anext(events, ENDED)


def is_context(hint: Any) -> bool:
    """Whether a parameter is for the surroundings."""
    return isinstance(hint, type) and issubclass(hint, Context | SourceContext)


def takes_none(hint: Any) -> bool:
    """Whether None is a value of the type."""
    return hint is Any or hint is None or type(None) in typing.get_args(hint)


def fit(value: Any, hint: Any, name: str) -> Any:
    """The value as the annotated type. Raises Failed."""
    try:
        return shape(value, hint)
    except (ValueError, TypeError, KeyError) as fault:
        told = getattr(hint, "__name__", str(hint))
        raise Failed(f"the parameter {name!r} cannot be a {told}: {fault}") from fault


def shape(value: Any, hint: Any) -> Any:
    """The value as one of the types that JSON does not have; all others are as they come."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return shape_first(value, arguments)
    if origin is typing.Annotated:
        return shape(value, arguments[0])
    if origin is typing.Literal:
        return choose(value, arguments)
    if origin in (list, set, frozenset) and isinstance(value, list | tuple | set | frozenset):
        inner = arguments[0] if arguments else Any
        return origin(shape(each, inner) for each in value)
    if origin is tuple and isinstance(value, list | tuple):
        inner = arguments[0] if arguments else Any
        return tuple(shape(each, inner) for each in value)
    if origin is dict and isinstance(value, Mapping) and len(arguments) == 2:
        return {key: shape(each, arguments[1]) for key, each in value.items()}
    if isinstance(hint, type) and not isinstance(value, hint):
        return shape_class(value, hint)
    return value


def choose(value: Any, choices: tuple[Any, ...]) -> Any:
    """The choice that is meant: placeholders give text where a number may stand."""
    found = next((each for each in choices if each == value or str(each) == str(value)), None)
    if found is None:
        raise ValueError(f"it is {value!r}, and not one of {', '.join(map(str, choices))}")
    return found


def shape_first(value: Any, hints: tuple[Any, ...]) -> Any:
    """The first type of a union that takes the value; one that it has already comes first."""
    if value is None and type(None) in hints:
        return None
    if any(isinstance(hint, type) and type(value) is hint for hint in hints):
        return value
    faults = []
    for hint in hints:
        try:
            return shape(value, hint)
        except (ValueError, TypeError, KeyError) as fault:  # the next one may fit
            faults.append(str(fault))
    raise ValueError("; ".join(faults))


def shape_class(value: Any, hint: type) -> Any:
    """A value that a class is to be made of."""
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        hints = typing.get_type_hints(hint)
        return hint(**{name: shape(each, hints.get(name, Any)) for name, each in value.items()})
    validate = getattr(hint, "model_validate", None)
    if callable(validate):  # a model of pydantic
        return validate(value)
    if issubclass(hint, enum.Enum):
        return choose_member(value, hint)
    if hint in (date, datetime) and isinstance(value, str):
        return hint.fromisoformat(value)
    if issubclass(hint, Path) and isinstance(value, str):
        return Path(value)
    if hint in (int, float) and isinstance(value, str | int | float) and not isinstance(value, bool):
        return hint(value)
    if hint is str and isinstance(value, int | float):
        return str(value)
    if hint in (set, tuple, frozenset, list) and isinstance(value, list | tuple | set):
        return hint(value)
    if hint in (str, int, float, bool, bytes, list, dict):
        raise TypeError(f"it is {value!r}")
    return value


def choose_member(value: Any, kind: type[enum.Enum]) -> enum.Enum:
    """The member by its value, or by its name."""
    found = next((each for each in kind if each.value == value or each.name == value), None)
    if found is None:
        raise ValueError(f"it is {value!r}, and not one of {', '.join(str(each.value) for each in kind)}")
    return found
