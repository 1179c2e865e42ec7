"""Placeholders in a text: where they stand and what they say (section 6.1)."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterator
from typing import NamedTuple

from intellyhub_engine.errors import EvaluationFailed, ExpressionInvalid
from intellyhub_engine.language.expressions.expressions import call, constant, load, parse_expression
from intellyhub_engine.language.expressions.filters import FILTERS
from intellyhub_engine.language.expressions.functions import FUNCTIONS
from intellyhub_engine.language.expressions.library import MODULES
from intellyhub_engine.language.expressions.limits import check_format_spec, check_strftime
from intellyhub_engine.language.expressions.rewriter import Rewriter, filter_name

__all__ = ["Dollar", "Group", "parse_group", "split_text"]

_GROUP = re.compile(r"\{[^{}\n\r]*\}")
_NAME = r"[^\W\d]\w*"
_DOLLAR = re.compile(rf"\$\{{({_NAME}(?:\.{_NAME})*)\}}|\$({_NAME}(?:\.{_NAME})*)")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_MAX_CONTENT = 4_000
_IMPORT = re.compile(r"(?:import|from)\s")

_FORMS = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.BoolOp, ast.Compare)


class Group(NamedTuple):
    """A brace group that says something: an expression, perhaps after imports, perhaps with a format."""

    source: str
    """As written, braces included."""
    tree: ast.expr
    imports: dict[str, str]
    spec: str

    def code(self, rewriter: Rewriter) -> ast.expr:
        """Its guarded code. Raises `ExpressionInvalid` where it is no expression of ours after all."""
        before = rewriter.imports
        rewriter.imports = self.imports
        try:
            value = rewriter.value(self.tree)
        finally:
            rewriter.imports = before
        return call("format_value", rewriter.budget(), value, constant(self.spec)) if self.spec else value


class Dollar(NamedTuple):
    """`$name.path` of a list-form flow."""

    source: str
    name: str
    path: tuple[str, ...]

    def code(self, rewriter: Rewriter, *, whole: bool = False) -> ast.expr:
        """Its guarded code."""
        rewriter.names.add(self.name)
        return call("dollar_value" if whole else "dollar_text", load("s"), constant(self.name), constant(self.path))


def split_text(text: str, *, dollar_names: bool) -> Iterator[str | Group | Dollar]:
    """The text in order: literal parts, and the innermost groups that say something."""
    begin = 0
    for match in _matches(text, dollar_names=dollar_names):
        part = _part(match)
        if part is not None:
            if match.start() > begin:
                yield text[begin : match.start()]
            yield part
            begin = match.end()
    if begin < len(text):
        yield text[begin:]


def _matches(text: str, *, dollar_names: bool) -> Iterator[re.Match[str]]:
    if "{" not in text and not (dollar_names and "$" in text):
        return iter(())
    return (_EITHER if dollar_names else _GROUP).finditer(text)


_EITHER = re.compile(f"{_DOLLAR.pattern}|{_GROUP.pattern}")


def _part(match: re.Match[str]) -> Group | Dollar | None:
    source = match[0]
    if source.startswith("$"):
        name, *path = (match[1] or match[2]).split(".")
        return Dollar(source, name, tuple(path))
    return parse_group(source)


def parse_group(source: str) -> Group | None:
    """What `{…}` says, or None when it is just braces: no expression, or one without any name in it."""
    content = source[1:-1].strip()
    if not content or len(content) > _MAX_CONTENT:
        return None
    if _PATH.fullmatch(content):
        return _path(source, content)
    try:
        imports, content = _imports(content)
        expression, spec = _split_spec(content)
        tree = _FiltersFirst().visit(parse_expression(expression.strip()))
        if spec is not None:
            _check_spec(spec)
    except (ExpressionInvalid, EvaluationFailed, SyntaxError, ValueError):
        return None
    if not isinstance(tree, _FORMS) or not _reads_a_name(tree):
        return None
    return Group(source, tree, imports, spec or "")


def _path(source: str, content: str) -> Group | None:
    """The group of a plain `a.b.c`, which most of them are."""
    root, *attributes = content.split(".")
    if any(keyword.iskeyword(part) for part in (root, *attributes)):
        return None
    tree: ast.expr = ast.Name(root, ast.Load())
    for attribute in attributes:
        tree = ast.Attribute(tree, attribute, ast.Load())
    return Group(source, tree, {}, "")


def _check_spec(spec: str) -> None:
    if not spec or spec[0].isspace():  # `{color: red}` is a style sheet
        raise ExpressionInvalid("not a format")
    if "%" in spec[:-1]:
        check_strftime(spec)
    else:
        check_format_spec(spec)


def _reads_a_name(tree: ast.expr) -> bool:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id not in FUNCTIONS
            and node.func.id not in FILTERS
        ):
            return False
    return any(isinstance(node, ast.Name) for node in ast.walk(tree))


class _FiltersFirst(ast.NodeTransformer):
    """In Python `a + b|length` is `(a + b)|length`; a filter's reader means `a + (b|length)`, as Jinja does."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.BitOr):
            return node
        first = node.right
        while isinstance(first, ast.BinOp):
            first = first.left
        if filter_name(first) not in FILTERS:
            return node
        if first is not node.right:
            return _with_first(node.right, ast.BinOp(node.left, node.op, first))
        left = node.left
        in_parentheses = left.col_offset > node.col_offset
        if isinstance(left, ast.BinOp) and not isinstance(left.op, ast.BitOr) and not in_parentheses:
            applied = ast.copy_location(ast.BinOp(left.right, node.op, first), left.right)
            return ast.copy_location(ast.BinOp(left.left, left.op, applied), node)
        return node


def _with_first(tree: ast.expr, first: ast.expr) -> ast.expr:
    if not isinstance(tree, ast.BinOp):
        return first
    return ast.copy_location(ast.BinOp(_with_first(tree.left, first), tree.op, tree.right), tree)


def _split_spec(content: str) -> tuple[str, str | None]:
    """The expression and its format: what follows the first colon outside brackets and quotes."""
    depth, quote = 0, ""
    for position, character in enumerate(content):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == ":" and depth == 0:
            return content[:position], content[position + 1 :]
    return content, None


def _imports(content: str) -> tuple[dict[str, str], str]:
    """`import a; from b import c; expression`: the names bound, and the expression."""
    if not _IMPORT.match(content):
        return {}, content
    *statements, last = ast.parse(content).body
    names: dict[str, str] = {}
    for statement in statements:
        names.update(_bound(statement))
    if not isinstance(last, ast.Expr):
        raise ExpressionInvalid("an import expression ends in an expression")
    return names, ast.get_source_segment(content, last) or ""


def _bound(statement: ast.stmt) -> dict[str, str]:
    if isinstance(statement, ast.Import):
        bound = {alias.asname or alias.name: alias.name for alias in statement.names}
    elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
        bound = {alias.asname or alias.name: f"{statement.module}.{alias.name}" for alias in statement.names}
    else:
        raise ExpressionInvalid("only imports may stand before the expression")
    for dotted in bound.values():
        if dotted.split(".")[0] not in MODULES:
            raise ExpressionInvalid(f"{dotted} cannot be imported here; there are {', '.join(sorted(MODULES))}")
    return bound
