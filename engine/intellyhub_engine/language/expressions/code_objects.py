"""Statements as the code object of a function of the scope."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from types import CodeType
from typing import Any

from intellyhub_engine.errors import ExpressionInvalid
from intellyhub_engine.language.expressions.expressions import load

__all__ = ["assign", "attempt", "make_function"]


def assign(name: str, value: ast.expr) -> ast.stmt:
    """`name = value`."""
    return ast.Assign([ast.Name(name, ast.Store())], value)


def attempt(body: Sequence[ast.stmt], fallback: Sequence[ast.stmt]) -> ast.stmt:
    """`try: body` and, for every exception `e`, the fallback."""
    return ast.Try(list(body), [ast.ExceptHandler(load("Exception"), "e", list(fallback))], [], [])


def make_function(name: str, statements: Sequence[ast.stmt], *, spends: bool) -> CodeType:
    """The code of `def name(s)`; with `spends` it begins with a fresh budget `b`."""
    budget = [assign("b", ast.List([load("BUDGET")], ast.Load()))] if spends else []
    scope = ast.arguments(posonlyargs=[], args=[ast.arg("s")], kwonlyargs=[], kw_defaults=[], defaults=[])
    function = ast.FunctionDef(name, scope, [*budget, *statements], [])
    module = ast.Module([function], [])
    _place(module)
    try:
        code = compile(module, f"<{name}>", "exec", dont_inherit=True)
    except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
        raise ExpressionInvalid(f"too much in one text to compile: {error}") from error
    return next(part for part in code.co_consts if isinstance(part, CodeType))


def _place(tree: ast.AST) -> None:
    """Give every node a place, as `compile` wants it; all the same one."""
    nodes: list[Any] = [tree]
    for node in nodes:
        parts = node.__dict__
        for part in parts.values():
            if part.__class__ is list:
                nodes.extend([each for each in part if isinstance(each, ast.AST)])
            elif isinstance(part, ast.AST):
                nodes.append(part)
        parts["lineno"] = 1
        parts["col_offset"] = 0
