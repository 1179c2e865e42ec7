"""How a block's source becomes its code: placeholders in its texts are bound to values, never pasted into source."""

from __future__ import annotations

import ast
import textwrap
import warnings
from typing import Any

from intellyhub_engine.errors import ExpressionInvalid
from intellyhub_engine.language.expressions.expressions import constant, later
from intellyhub_engine.language.expressions.filters import FILTERS
from intellyhub_engine.language.texts.placeholders import Dollar, Group, split_text
from intellyhub_engine.language.texts.python_blocks import BUILTINS, VALUE, Block

__all__ = ["compile_source", "has_placeholders", "unindented"]

_READS_ALL = frozenset({"locals", "globals", "vars", "dir", "variables", "eval", "exec"})


def compile_source(source: str, *, dollar_names: bool) -> Block:
    """The block of a source text. Raises `ExpressionInvalid`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python thinks of the author's style
            return _compiled(unindented(source), dollar_names=dollar_names)
    except SyntaxError as error:
        raise ExpressionInvalid(
            f"line {error.lineno} of the block: {error.msg}", offset=_offset(source, error)
        ) from error
    except (RecursionError, MemoryError) as error:
        raise ExpressionInvalid("the block cannot be compiled: nested too deeply") from error
    except ValueError as error:
        raise ExpressionInvalid(f"the block cannot be compiled: {error}") from error


def unindented(source: str) -> str:
    """The text as Python reads it."""
    text = textwrap.dedent(source.expandtabs() if "\t" in source.split("\n", 1)[0] else source).strip("\n")
    return text.strip() if "\n" not in text else text


def has_placeholders(source: str, *, dollar_names: bool) -> bool:
    """Whether there may be something to bind in the source, or an f-string."""
    return "{" in source or (dollar_names and "$" in source)


def _compiled(text: str, *, dollar_names: bool) -> Block:
    tree = ast.parse(text, "<block>")
    _keep_last_value(tree)
    if has_placeholders(text, dollar_names=dollar_names):
        binder = _Binder(_bound_names(tree), dollar_names=dollar_names)
        tree, names = ast.fix_missing_locations(binder.visit(tree)), binder.names
    else:
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    code = compile(tree, "<block>", "exec", dont_inherit=True)
    return Block(code, tuple(sorted(names)), not _READS_ALL.isdisjoint(names))


def _offset(source: str, error: SyntaxError) -> int:
    lines = source.splitlines(keepends=True)
    return sum(map(len, lines[: (error.lineno or 1) - 1])) + max((error.offset or 1) - 1, 0)


def _keep_last_value(tree: ast.Module) -> None:
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = tree.body[-1]
        target = ast.copy_location(ast.Name(VALUE, ast.Store()), last)
        tree.body[-1] = ast.copy_location(ast.Assign([target], last.value), last)


def _bound_names(tree: ast.Module) -> frozenset[str]:
    """Names that the block itself gives a meaning."""
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound.update(node.arg for node in ast.walk(tree) if isinstance(node, ast.arg))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            bound.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            bound.add(node.name)
    return frozenset(bound)


class _Binder(ast.NodeTransformer):
    """Binds the placeholders of every text that is not an f-string."""

    def __init__(self, bound: frozenset[str], *, dollar_names: bool) -> None:
        self.names: set[str] = set()
        self._bound = bound
        self._dollar_names = dollar_names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        self.names.add(node.id)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        parts = list(split_text(node.value, dollar_names=self._dollar_names)) if isinstance(node.value, str) else []
        if all(isinstance(part, str) for part in parts):
            return node
        filled = ast.Tuple([self._part(part) for part in parts], ast.Load())
        variables = ast.Name("__variables__", ast.Load())
        return ast.copy_location(ast.Call(ast.Name("__fill__", ast.Load()), [variables, filled], []), node)

    def _part(self, part: str | Group | Dollar) -> ast.expr:
        if isinstance(part, str) or (isinstance(part, Group) and part.imports):
            return ast.Constant(part if isinstance(part, str) else part.source)
        tree = _read(part)
        reader = _Reader()
        tree = reader.visit(tree)
        self.names |= reader.names
        needed = sorted(name for name in reader.names if name in BUILTINS - self._bound and name not in reader.called)
        return ast.Tuple([ast.Constant(part.source), constant(tuple(needed)), later(tree)], ast.Load())

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        reader = _Reader(filters=False)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                part.value = reader.visit(part.value)
                if part.format_spec is not None:
                    self.visit_JoinedStr(part.format_spec)  # type: ignore[arg-type]
        self.names |= reader.names
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """`'{name}'.format(name=…)` means Python's own placeholders."""
        function = node.func
        own = isinstance(function, ast.Attribute) and function.attr in ("format", "format_map")
        if not own or not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Constant)):
            node.func = self.visit(function)
        node.args = [self.visit(argument) for argument in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        node.guard = self.visit(node.guard) if node.guard else None
        node.body = [self.visit(statement) for statement in node.body]
        return node


class _Reader(ast.NodeTransformer):
    """Gives an expression the forms that placeholders have beyond Python: bare keys and filters."""

    def __init__(self, *, filters: bool = True) -> None:
        self.names: set[str] = set()
        self.called: set[str] = set()
        self._filters = filters

    def visit_Name(self, node: ast.Name) -> ast.AST:
        self.names.add(node.id)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name):
            self.called.add(node.func.id)
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if not isinstance(node.slice, ast.Name) or not isinstance(node.ctx, ast.Load):
            return self.generic_visit(node)
        word = node.slice.id
        self.names.add(word)
        arguments = [self.visit(node.value), later(node.slice), ast.Constant(word)]
        return ast.copy_location(ast.Call(ast.Name("__indexed__", ast.Load()), arguments, []), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        applied = node.right.func if isinstance(node.right, ast.Call) else node.right
        is_filter = isinstance(node.op, ast.BitOr) and isinstance(applied, ast.Name) and applied.id in FILTERS
        if not (self._filters and is_filter):
            return self.generic_visit(node)
        assert isinstance(applied, ast.Name)
        given = node.right if isinstance(node.right, ast.Call) else None
        arguments: list[Any] = [self.visit(argument) for argument in given.args] if given else []
        keywords = [ast.keyword(word.arg, self.visit(word.value)) for word in given.keywords] if given else []
        return ast.Call(
            ast.Name("__filtered__", ast.Load()),
            [ast.Constant(applied.id), self.visit(node.left), *arguments],
            keywords,
        )


def _read(part: Group | Dollar) -> ast.expr:
    """The Python expression that a placeholder means."""
    if isinstance(part, Dollar):
        return ast.parse(".".join((part.name, *part.path)), mode="eval").body
    if not part.spec:
        return part.tree
    return ast.Call(ast.Name("format", ast.Load()), [part.tree, ast.Constant(part.spec)], [])
