"""Python blocks (section 8): what a compiled block is, and how it runs in whatever process may run it."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from io import IOBase
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from intellyhub_engine.errors import ValueRefused
from intellyhub_engine.language.expressions.access import bare_item
from intellyhub_engine.language.values.values import encode, text_of, wrap

if TYPE_CHECKING:
    from intellyhub_engine.language.expressions.codes import Code
    from intellyhub_engine.language.values.scope import Scope

__all__ = ["VALUE", "Block", "block_namespace", "compile_block", "run_block"]

VALUE = "__value__"
"""Where a block leaves the value of its last expression."""

_CONTAINERS = (list, dict, set)
_NEVER_KEPT = (ModuleType, FunctionType, BuiltinFunctionType, type)


class Block(NamedTuple):
    """A compiled block; `tuple(block)` can be marshalled to the process that runs it."""

    code: CodeType
    names: tuple[str, ...]
    """The names it may read."""
    reads_all: bool
    """It asks for all variables: `locals()`, `variables`."""


def compile_block(source: str, *, dollar_names: bool = False) -> Code:
    """The code of a block; linked it gives a `Block`. Raises `ExpressionInvalid` with the place of a syntax error."""
    from intellyhub_engine.language.expressions.codes import Code
    from intellyhub_engine.language.texts.block_syntax import compile_source

    block = compile_source(source, dollar_names=dollar_names)
    return Code("block", tuple(block), block.names)


def block_namespace(block: Block, scope: Scope) -> dict[str, Any]:
    """The variables that a block needs: those it reads, from wherever the scope has them, and all of the run's own
    where it asks for all."""
    namespace = dict(scope) if block.reads_all else {}
    for name in block.names:
        if name not in namespace and name in scope:
            namespace[name] = scope[name]
    return namespace


def run_block(
    block: Block, namespace: Mapping[str, Any], refused: dict[str, str] | None = None
) -> tuple[Any, dict[str, Any], tuple[str, ...]]:
    """Run the block and answer its value, the variables it changed or made, and those it deleted.

    Modules, functions, classes, names that begin with `_` and values that cannot be variables are not kept; a value
    that cannot be one becomes its text. Whatever the block raises comes through. `refused` receives the names of
    values that are not kept, and why.
    """
    names = _Namespace(namespace)
    before = {name: encode(value) for name, value in namespace.items() if isinstance(value, _CONTAINERS)}
    exec(block.code, names)  # noqa: S102 - this is what a block is for; it runs in a process of its own
    value = _value(dict.pop(names, VALUE, None))
    removed = tuple(name for name in namespace if not dict.__contains__(names, name))
    return value, dict(_changes(names, namespace, before, {} if refused is None else refused)), removed


def _changes(
    names: _Namespace, given: Mapping[str, Any], before: Mapping[str, bytes], refused: dict[str, str]
) -> Iterator[tuple[str, Any]]:
    for name, value in list(names.items()):
        if name in given and value is given[name] and name not in before:
            continue
        try:
            kept = wrap(value)
        except ValueRefused as why:  # a handle, a connection: it lives as long as the block
            if not isinstance(value, IOBase):
                refused[name] = str(why)
            continue
        if name not in before or encode(kept) != before[name]:
            yield name, kept


def _value(value: Any) -> Any:
    if isinstance(value, _NEVER_KEPT):
        return None
    try:
        return wrap(value)
    except ValueRefused:
        if isinstance(value, str | bytes):  # too large: to cut it would be to lie about it
            raise
        return str(value)[:10_000]


class _Namespace(dict[str, Any]):
    """Globals and locals of a block in one, which it also sees as `variables`. What the language adds is found by name
    but not listed."""

    __slots__ = ()

    def __missing__(self, name: str) -> Any:
        if name in ("variables", "__variables__"):
            return self
        return _GIVEN[name]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, value in dict.items(self) if _is_kept(name, value)])

    def keys(self) -> Any:
        return [*iter(self)]

    def values(self) -> Any:
        return [dict.__getitem__(self, name) for name in self]

    def items(self) -> Any:
        return [(name, dict.__getitem__(self, name)) for name in self]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self.items()))

    def copy(self) -> dict[str, Any]:
        return dict(self.items())


def _is_kept(name: str, value: Any) -> bool:
    return not name.startswith("_") and not isinstance(value, _NEVER_KEPT)


def fill(names: _Namespace, parts: Iterable[str | tuple[str, tuple[str, ...], Callable[[], Any]]]) -> str:
    """A text of the block with its placeholders filled in; those that mean nothing stay as written."""
    return "".join(part if isinstance(part, str) else _filled(names, *part) for part in parts)


def _filled(names: _Namespace, source: str, needed: tuple[str, ...], read: Callable[[], Any]) -> str:
    if not all(dict.__contains__(names, name) for name in needed):
        return source
    try:
        return text_of(read())
    except Exception:  # noqa: BLE001 - braces that look like a placeholder: whatever they raise, they are just text
        return source


def indexed(value: Any, lookup: Callable[[], Any], word: str) -> Any:
    """`value[word]` in an f-string: by the variable, else by the word itself."""
    try:
        return bare_item(value, lookup, word)
    except NameError:
        return value[word]


def filtered(name: str, value: Any, *arguments: Any, **options: Any) -> Any:
    """`{value|name(arguments)}`."""
    from intellyhub_engine.language.expressions.filters import FILTERS
    from intellyhub_engine.language.expressions.limits import BUDGET

    return FILTERS[name]([BUDGET], None, value, *arguments, **options)


_GIVEN: dict[str, Any] = {
    "__fill__": fill,
    "__filtered__": filtered,
    "__indexed__": indexed,
    "datetime": datetime,
    "false": False,
    "none": None,
    "now": lambda: datetime.now(UTC),
    "null": None,
    "true": True,
}
"""What every block knows beside Python's builtins and the variables."""

BUILTINS = frozenset(dir(builtins))
"""Names that are known without being variables."""
