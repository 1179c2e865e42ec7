"""Jinja's expressions as Python's syntax trees, which the restricted rewriter then judges."""

from __future__ import annotations

import ast
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from jinja2 import nodes

from intellyhub_engine.errors import ExpressionInvalid
from intellyhub_engine.language.expressions.checks import CHECKS
from intellyhub_engine.language.expressions.expressions import MARK
from intellyhub_engine.language.expressions.filters import FILTERS

__all__ = ["to_python"]

_BINARY: dict[type[nodes.Node], ast.operator] = {
    nodes.Add: ast.Add(),
    nodes.Sub: ast.Sub(),
    nodes.Mul: ast.Mult(),
    nodes.Div: ast.Div(),
    nodes.FloorDiv: ast.FloorDiv(),
    nodes.Mod: ast.Mod(),
    nodes.Pow: ast.Pow(),
}
_UNARY: dict[type[nodes.Node], ast.unaryop] = {nodes.Not: ast.Not(), nodes.Neg: ast.USub(), nodes.Pos: ast.UAdd()}
_BOOLEAN: dict[type[nodes.Node], ast.boolop] = {nodes.And: ast.And(), nodes.Or: ast.Or()}
_COMPARISONS: dict[str, ast.cmpop] = {
    "eq": ast.Eq(),
    "ne": ast.NotEq(),
    "lt": ast.Lt(),
    "lteq": ast.LtE(),
    "gt": ast.Gt(),
    "gteq": ast.GtE(),
    "in": ast.In(),
    "notin": ast.NotIn(),
}


def to_python(node: Any, context: ast.expr_context | None = None) -> ast.expr:
    """The Python syntax tree of a Jinja expression or target. Raises `ExpressionInvalid`."""
    kind = type(node)
    if kind in _BINARY:
        return ast.BinOp(to_python(node.left), _BINARY[kind], to_python(node.right))
    if kind in _BOOLEAN:
        return ast.BoolOp(_BOOLEAN[kind], [to_python(node.left), to_python(node.right)])
    if kind in _UNARY:
        return ast.UnaryOp(_UNARY[kind], to_python(node.node))
    convert = _KINDS.get(kind)
    if convert is None:
        raise ExpressionInvalid(f"a Jinja {kind.__name__.lower()} cannot stand in a flow")
    converted = convert(node)
    if context is not None:
        _store(converted)
    return converted


def _store(target: ast.expr) -> None:
    if isinstance(target, ast.Tuple):
        for part in target.elts:
            _store(part)
    elif not isinstance(target, ast.Name):
        raise ExpressionInvalid("only a name can be assigned in a Jinja block")


def _name(node: nodes.Name) -> ast.expr:
    if node.name.startswith(MARK):
        raise ExpressionInvalid(f"{MARK} cannot be part of a name")
    return ast.Name(node.name, ast.Load())


def _compare(node: nodes.Compare) -> ast.expr:
    operators = [_COMPARISONS[operand.op] for operand in node.ops]
    return ast.Compare(to_python(node.expr), operators, [to_python(operand.expr) for operand in node.ops])


def _arguments(node: Any) -> tuple[list[ast.expr], list[ast.keyword]]:
    if node.dyn_args or node.dyn_kwargs:
        raise ExpressionInvalid("* and ** cannot stand in a call")
    return [to_python(item) for item in node.args], [
        ast.keyword(item.key, to_python(item.value)) for item in node.kwargs
    ]


def _call(node: nodes.Call) -> ast.expr:
    return ast.Call(to_python(node.node), *_arguments(node))


def _filter(node: nodes.Filter) -> ast.expr:
    if node.name not in FILTERS:
        close = get_close_matches(node.name, FILTERS, 1)
        raise ExpressionInvalid(
            f"there is no filter {node.name!r}", suggestion=f"did you mean {close[0]}?" if close else None
        )
    applied = ast.Call(ast.Name(node.name, ast.Load()), *_arguments(node))
    return ast.BinOp(to_python(node.node), ast.BitOr(), applied)


def _check(node: nodes.Test) -> ast.expr:
    if node.name not in CHECKS:
        raise ExpressionInvalid(f"there is no test {node.name!r}", suggestion=f"there are {', '.join(sorted(CHECKS))}")
    arguments, _ = _arguments(node)
    return ast.Call(
        ast.Name(MARK + "check", ast.Load()), [ast.Constant(node.name), to_python(node.node), *arguments], []
    )


def _getitem(node: nodes.Getitem) -> ast.expr:
    return ast.Subscript(to_python(node.node), to_python(node.arg), ast.Load())


def _slice(node: nodes.Slice) -> Any:
    return ast.Slice(*(to_python(part) if part is not None else None for part in (node.start, node.stop, node.step)))


def _dict(node: nodes.Dict) -> ast.expr:
    return ast.Dict([to_python(pair.key) for pair in node.items], [to_python(pair.value) for pair in node.items])


def _choice(node: nodes.CondExpr) -> ast.expr:
    otherwise = to_python(node.expr2) if node.expr2 is not None else ast.Constant("")
    return ast.IfExp(to_python(node.test), to_python(node.expr1), otherwise)


def _concat(node: nodes.Concat) -> ast.expr:
    return ast.JoinedStr([ast.FormattedValue(to_python(part), -1) for part in node.nodes])


_KINDS: dict[type[nodes.Node], Callable[[Any], ast.expr]] = {
    nodes.Call: _call,
    nodes.Compare: _compare,
    nodes.Concat: _concat,
    nodes.CondExpr: _choice,
    nodes.Const: lambda node: ast.Constant(node.value),
    nodes.Dict: _dict,
    nodes.Filter: _filter,
    nodes.Getattr: lambda node: ast.Attribute(to_python(node.node), node.attr, ast.Load()),
    nodes.Getitem: _getitem,
    nodes.List: lambda node: ast.List([to_python(item) for item in node.items], ast.Load()),
    nodes.Name: _name,
    nodes.Slice: _slice,
    nodes.Test: _check,
    nodes.Tuple: lambda node: ast.Tuple([to_python(item) for item in node.items], ast.Load()),
}
"""Every kind of expression that may stand in a block."""
