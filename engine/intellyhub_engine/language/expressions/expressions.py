"""The syntax trees of authors' expressions, and the pieces that compiled code is made of."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable
from typing import Any

from intellyhub_engine.errors import ExpressionInvalid
from intellyhub_engine.language.expressions.limits import MAX_CODE_NODES, MAX_CODE_TEXT

__all__ = ["MARK", "call", "constant", "later", "load", "parse_expression", "refused"]

MARK = "_op_"
"""Begins the names that stand for operators in words and for placeholders; authors cannot use it."""


def parse_expression(text: str) -> ast.expr:
    """The syntax tree of one expression. Raises `ExpressionInvalid` with the place."""
    if len(text) > MAX_CODE_TEXT:
        raise ExpressionInvalid(f"an expression may have {MAX_CODE_TEXT:,} characters, this one has {len(text):,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about backslashes that Python keeps as they are
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ExpressionInvalid(f"not an expression: {error.msg}", offset=max((error.offset or 1) - 1, 0)) from error
    except (RecursionError, MemoryError) as error:
        raise ExpressionInvalid("not an expression: nested too deeply") from error
    except ValueError as error:
        raise ExpressionInvalid(f"not an expression: {error}") from error
    if len(text) > MAX_CODE_NODES and sum(1 for _ in ast.walk(tree)) > MAX_CODE_NODES:
        raise ExpressionInvalid(f"an expression may have {MAX_CODE_NODES:,} parts; do this in a Python block")
    return tree


def load(name: str) -> ast.Name:
    """A reference to a name of compiled code."""
    return ast.Name(name, ast.Load())


def constant(value: Any) -> ast.Constant:
    """A constant."""
    return ast.Constant(value)


def call(function: str, *arguments: ast.expr, keywords: Iterable[ast.keyword] = ()) -> ast.Call:
    """A call of a function of `operators.RUNTIME`."""
    return ast.Call(load(function), list(arguments), list(keywords))


def later(value: ast.expr) -> ast.expr:
    """The code as a function without arguments, for what may fail to resolve."""
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Lambda(nothing, value)


def refused(node: ast.expr, message: str) -> ExpressionInvalid:
    """The fault of a node that cannot stand where it does."""
    return ExpressionInvalid(message, offset=getattr(node, "col_offset", 0))
