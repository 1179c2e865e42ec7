"""Compiled texts of a flow, and what turns them into callables.

A `Code` is made once, at load, by one of the `compile_*` functions; it holds only what `marshal` can keep, so that a
compiled flow can be cached. `link` makes the callable; it imports no compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from intellyhub_engine.errors import EvaluationFailed, ExpressionInvalid
from intellyhub_engine.language.expressions import operators
from intellyhub_engine.language.texts.python_blocks import Block

if TYPE_CHECKING:
    from intellyhub_engine.language.values.scope import Scope

__all__ = ["Code", "EvaluationFailed", "ExpressionInvalid", "link"]


class Code(NamedTuple):
    """One compiled text."""

    kind: str
    """`constant`, `template`, `condition`, `shell` or `block`."""
    body: Any
    """A scalar for a constant, the parts of a `Block`, else the code object of a function of the scope."""
    names: tuple[str, ...] = ()
    """The root names it may read, sorted."""


def link(code: Code) -> Callable[[Scope], Any]:
    """The callable of a code: a condition gives a bool, a template its native value or text, a shell text a str, a
    block a `Block`. Calls raise `EvaluationFailed`; a template leaves what it cannot resolve as written."""
    if isinstance(code.body, CodeType):
        return FunctionType(code.body, operators.RUNTIME)
    value = Block(*code.body) if code.kind == "block" else code.body
    return lambda scope: value
