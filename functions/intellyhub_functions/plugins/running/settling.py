"""What a plugin leaves in variables, made into values that can be kept: objects become records, handles are dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import BuiltinFunctionType, FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any

from intellyhub_engine.errors import ValueRefused
from intellyhub_engine.language.values.values import MAX_DEPTH, MAX_NODES, wrap

__all__ = ["settled"]

NEVER_KEPT = (ModuleType, FunctionType, BuiltinFunctionType, MethodType, GeneratorType, type)
AS_DICT = ("to_dict", "model_dump", "dict", "_asdict")
"""Methods by which objects of libraries tell what is in them."""
AS_VALUE = ("tolist", "item")
"""The same for arrays and numbers of NumPy."""
MAX_CHARACTERS = 10_000


def settled(value: Any) -> Any:
    """The value inside the universe of variables. Raises ValueRefused for what is none: a module, a function."""
    try:
        return wrap(value)
    except ValueRefused:
        return wrap(Settling().plain(value, MAX_DEPTH))


class Settling:
    """One value on its way; `room` bounds the work, `inside` finds cycles."""

    def __init__(self) -> None:
        self.room = MAX_NODES
        self.inside: set[int] = set()

    def plain(self, value: Any, depth: int) -> Any:
        """Containers and scalars only."""
        self.room -= 1
        if self.room < 0 or depth <= 0:
            raise ValueRefused("the value is too large or too deep to be kept")
        if isinstance(value, NEVER_KEPT):
            raise ValueRefused(f"a {type(value).__name__} cannot be the value of a variable")
        if id(value) in self.inside:
            return None
        self.inside.add(id(value))
        try:
            return self._plain(value, depth)
        finally:
            self.inside.discard(id(value))

    def _plain(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return {str(key): each for key, each in self._each(value.items(), depth)}
        if isinstance(value, list | tuple | set | frozenset):
            return [each for _, each in self._each(enumerate(value), depth)]
        try:
            return wrap(value)
        except ValueRefused:
            return self._of_object(value, depth)

    def _each(self, pairs: Any, depth: int) -> Any:
        """The parts that can be kept."""
        for key, part in pairs:
            if not isinstance(part, NEVER_KEPT):
                yield key, self.plain(part, depth - 1)

    def _of_object(self, value: Any, depth: int) -> Any:
        for name in (*AS_DICT, *AS_VALUE):
            method = getattr(value, name, None)
            told = call(method) if callable(method) else None
            if told is not None and told is not value:
                return self.plain(told, depth - 1)
        public = {name: part for name, part in getattr(value, "__dict__", {}).items() if not name.startswith("_")}
        return self.plain(public, depth - 1) if public else str(value)[:MAX_CHARACTERS]


def call(method: Callable[[], Any]) -> Any:
    """What the method gives; None where it wants more than nothing, or fails."""
    try:
        return method()
    except Exception:  # noqa: BLE001 - code of whatever library: there are other ways to learn what is in the object
        return None
