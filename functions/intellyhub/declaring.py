"""`@state` and `@source`. They leave the function as it is and note beside it what it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

__all__ = ["Declared", "declared", "source", "state"]

NOTE = "__intellyhub__"

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a decorator said about a function."""

    kind: str
    """`state` or `source`."""
    name: str
    """What flows call it."""
    aliases: tuple[str, ...] = ()
    pure: bool = False
    timeout_seconds: float | None = None


@overload
def state(function: Function, /) -> Function: ...
@overload
def state(
    *,
    name: str | None = None,
    aliases: tuple[str, ...] = (),
    pure: bool = False,
    timeout_seconds: float | None = None,
) -> Callable[[Function], Function]: ...
def state(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    aliases: tuple[str, ...] = (),
    pure: bool = False,
    timeout_seconds: float | None = None,
) -> Any:
    """Make the function a state type called like it, or `name`.

    `pure` says that it touches nothing outside: flow tests run it, and a crash may repeat it. It may take
    `timeout_seconds`. All of these are constants, written where the decorator stands: they are read without running
    the file.
    """

    def note(decorated: Function) -> Function:
        return annotate(decorated, "state", name, aliases, pure=pure, timeout_seconds=timeout_seconds)

    return note if function is None else note(function)


@overload
def source(function: Function, /) -> Function: ...
@overload
def source(*, name: str | None = None, aliases: tuple[str, ...] = ()) -> Callable[[Function], Function]: ...
def source(function: Any = None, /, *, name: str | None = None, aliases: tuple[str, ...] = ()) -> Any:
    """Make the generator a listener's type. What it yields are events; asked for the next one, the last one is safe."""

    def note(decorated: Function) -> Function:
        return annotate(decorated, "source", name, aliases)

    return note if function is None else note(function)


def declared(function: Any) -> Declared | None:
    """What was said about a function, if anything."""
    found = getattr(function, NOTE, None)
    return found if isinstance(found, Declared) else None


def annotate(
    function: Function,
    kind: str,
    name: str | None,
    aliases: tuple[str, ...],
    *,
    pure: bool = False,
    timeout_seconds: float | None = None,
) -> Function:
    note = Declared(
        kind=kind, name=name or function.__name__, aliases=tuple(aliases), pure=pure, timeout_seconds=timeout_seconds
    )
    setattr(function, NOTE, note)
    return function
