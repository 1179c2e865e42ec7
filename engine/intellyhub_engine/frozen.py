"""Frozen value classes that cost a start next to nothing.

`@dataclass(frozen=True, ...)` of the standard library writes and compiles Python for every class: half a millisecond
each, a fifth of the time in which a worker gets ready. `dataclass` here gives the same classes to a reader, to a type
checker and to `fields`, `replace` and `asdict`; their methods are written once, for all of them. Derived classes do
not inherit fields, there is no `__post_init__`, and a lone instance keeps its values in its `__dict__`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn

__all__ = ["dataclass"]


class Plan(NamedTuple):
    """How a class makes its instances."""

    names: tuple[str, ...]
    """Of what may be given, in the order of the class."""
    every: frozenset[str]
    """The names that an instance has in the end."""
    defaults: Mapping[str, Any]
    factories: tuple[tuple[str, Callable[[], Any]], ...]
    positional: bool
    compared: tuple[str, ...]
    shown: tuple[str, ...]


class Frozen:
    """The methods of every class that `dataclass` makes."""

    frozen_plan: ClassVar[Plan]

    def __init__(self, *given: Any, **named: Any) -> None:
        plan, values = self.frozen_plan, self.__dict__
        values.update(plan.defaults)
        for name, make in plan.factories:
            if name not in named:
                values[name] = make()
        if given:
            named = join(type(self), given, named)
        values.update(named)
        if values.keys() != plan.every:
            refuse(type(self), named)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return compared(self) == compared(other)

    def __hash__(self) -> int:
        return hash(compared(self))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.frozen_plan.shown)
        return f"{type(self).__qualname__}({shown})"


METHODS = ("__init__", "__setattr__", "__delattr__", "__eq__", "__hash__", "__repr__")


def compared(value: Any) -> tuple[Any, ...]:
    """What makes two values equal."""
    return tuple([getattr(value, name) for name in value.frozen_plan.compared])


def join(kind: type[Any], given: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """Values given by place and by name, by name."""
    plan: Plan = kind.frozen_plan
    places = plan.names if plan.positional else ()
    if len(given) > len(places):
        raise TypeError(f"{kind.__qualname__}() takes {len(places)} values by place, not {len(given)}")
    by_place = dict(zip(places, given, strict=False))
    if twice := by_place.keys() & named.keys():
        raise TypeError(f"{kind.__qualname__}() got several values for {', '.join(sorted(twice))}")
    return {**by_place, **named}


def refuse(kind: type[Any], named: Mapping[str, Any]) -> NoReturn:
    plan: Plan = kind.frozen_plan
    unknown = named.keys() - set(plan.names)
    missing = plan.every.difference(named, plan.defaults, (name for name, _ in plan.factories))
    faults = [f"does not take {', '.join(sorted(unknown))}"] if unknown else []
    faults += [f"misses {', '.join(sorted(missing))}"] if missing else []
    raise TypeError(f"{kind.__qualname__}() {' and '.join(faults)}")


def make_plan(kind: type[Any], *, kw_only: bool) -> Plan:
    parts = dataclasses.fields(kind)
    return Plan(
        names=tuple([part.name for part in parts if part.init]),
        every=frozenset([part.name for part in parts]),
        defaults={part.name: part.default for part in parts if part.default is not dataclasses.MISSING},
        factories=tuple(
            [(part.name, part.default_factory) for part in parts if part.default_factory is not dataclasses.MISSING]
        ),
        positional=not kw_only,
        compared=tuple([part.name for part in parts if part.compare]),
        shown=tuple([part.name for part in parts if part.repr]),
    )


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, kw_only: bool = False):
        """As `dataclasses.dataclass`; only frozen classes are made."""
        assert frozen

        def make(kind):
            own = set(vars(kind))
            made = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(kind)
            made.frozen_plan = make_plan(made, kw_only=kw_only)
            for name in METHODS:
                if name not in own:
                    setattr(made, name, vars(Frozen)[name])
            return made

        return make
