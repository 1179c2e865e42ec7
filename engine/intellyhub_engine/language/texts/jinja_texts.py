"""Jinja blocks in a text (section 6.4), translated to the guarded code of expressions.

Jinja only reads the text. What runs knows the same attributes, functions, filters and budgets as every placeholder, so
there is one sandbox and not two, and a compiled flow renders without importing Jinja.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes

from intellyhub_engine.errors import ExpressionInvalid
from intellyhub_engine.language.expressions.code_objects import assign
from intellyhub_engine.language.expressions.expressions import call, constant, load
from intellyhub_engine.language.expressions.rewriter import Rewriter
from intellyhub_engine.language.texts.jinja_expressions import to_python

__all__ = ["NotJinja", "jinja_statements"]

Fill = Callable[[str], Iterator[str | tuple[Sequence[ast.stmt], ast.expr]]]
"""Text between blocks -> its literal parts, and the statements and value of its placeholders."""


class NotJinja(ExpressionInvalid):
    """The text has braces like Jinja's, and Jinja cannot read it."""


def jinja_statements(text: str, rewriter: Rewriter, output: str, fill: Fill) -> list[ast.stmt]:
    """Statements that append the rendered text to the list called `output`. Raises `NotJinja`, and
    `ExpressionInvalid` for what a flow cannot use."""
    environment = Environment(keep_trailing_newline=True, autoescape=False, extensions=())  # noqa: S701 - no HTML is made here
    try:
        tree = environment.parse(text)
    except TemplateSyntaxError as error:
        offset = sum(map(len, text.splitlines(keepends=True)[: error.lineno - 1]))
        raise NotJinja(f"not a Jinja text: {error.message}", offset=offset) from error
    except RecursionError as error:
        raise ExpressionInvalid("not a Jinja text: nested too deeply") from error
    return _Translator(rewriter, output, fill).text(tree)


class _Translator:
    """One text being translated."""

    def __init__(self, rewriter: Rewriter, output: str, fill: Fill) -> None:
        self.rewriter = rewriter
        self.output = output
        self.fill = fill

    def text(self, tree: nodes.Template) -> list[ast.stmt]:
        was_lenient, self.rewriter.lenient = self.rewriter.lenient, True
        depth = len(self.rewriter.scopes)
        try:
            begin = self._assigned(tree)
            return [assign(self.output, ast.List([], ast.Load())), *begin, *self._body(tree.body)]
        finally:
            self.rewriter.lenient = was_lenient
            del self.rewriter.scopes[depth:]

    def _assigned(self, tree: nodes.Template) -> list[ast.stmt]:
        """Names that the text assigns begin as what the scope calls so."""
        targets = [target for node in tree.find_all(nodes.Assign) for target in node.find_all(nodes.Name)]
        names = sorted({name.name for name in targets if name.ctx == "store"})
        begin = [(name, self.rewriter.value(ast.Name(name, ast.Load()))) for name in names]
        variables = self.rewriter.enter(names)
        return [assign(variables[name], value) for name, value in begin]

    def _body(self, body: Sequence[nodes.Node]) -> list[ast.stmt]:
        statements: list[ast.stmt] = []
        for node in body:
            translate = _BLOCKS.get(type(node))
            if translate is None:
                raise ExpressionInvalid(f"the Jinja block {type(node).__name__.lower()!r} cannot stand in a flow")
            statements.extend(translate(self, node))
        return statements or [ast.Pass()]

    def printed(self, node: nodes.Output) -> Iterator[ast.stmt]:
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                yield from self._literal(part.data)
            else:
                yield self._emit(self.value(part))

    def _literal(self, text: str) -> Iterator[ast.stmt]:
        for part in self.fill(text):
            if isinstance(part, str):
                yield self._emit(constant(part))
            else:
                statements, value = part
                yield from statements
                yield self._emit(value)

    def _emit(self, value: ast.expr) -> ast.stmt:
        return ast.Expr(call("emit", self.rewriter.budget(), load(self.output), value))

    def loop(self, node: nodes.For) -> Iterator[ast.stmt]:
        if node.recursive:
            raise ExpressionInvalid("a recursive Jinja loop cannot stand in a flow")
        python = to_python(node.target, ast.Store())
        names = sorted({part.id for part in ast.walk(python) if isinstance(part, ast.Name)})
        items: ast.expr = call("ticks", self.rewriter.budget(), call("soft_items", self.value(node.iter)))
        variables = self.rewriter.enter(names)
        target = self.rewriter.target(python)
        if node.test is not None:
            kept = ast.comprehension(target, items, [self.truth(node.test)], 0)
            items = ast.ListComp(_as_value(target), [kept])
        variables |= self.rewriter.enter(["loop"])
        pair = ast.Tuple([ast.Name(variables["loop"], ast.Store()), target], ast.Store())
        body = self._body(node.body)
        del self.rewriter.scopes[-2:]
        listed = f"{self.output}_{variables['loop']}"
        yield assign(listed, call("loop_items", items))
        yield ast.For(pair, load(listed), body, [])
        if node.else_:
            yield ast.If(ast.UnaryOp(ast.Not(), load(listed)), self._body(node.else_), [])

    def choice(self, node: nodes.If) -> Iterator[ast.stmt]:
        otherwise = self._body(node.else_) if node.else_ else []
        for other in reversed(node.elif_):
            otherwise = [ast.If(self.truth(other.test), self._body(other.body), otherwise)]
        yield ast.If(self.truth(node.test), self._body(node.body), otherwise)

    def assigned(self, node: nodes.Assign) -> Iterator[ast.stmt]:
        yield ast.Assign([self.rewriter.target(to_python(node.target, ast.Store()))], self.value(node.node))

    def value(self, node: nodes.Node) -> ast.expr:
        return self.rewriter.value(to_python(node))

    def truth(self, node: nodes.Node) -> ast.expr:
        return self.rewriter.truth(to_python(node))


def _as_value(target: ast.expr) -> ast.expr:
    if isinstance(target, ast.Tuple):
        return ast.Tuple([_as_value(part) for part in target.elts], ast.Load())
    assert isinstance(target, ast.Name)
    return load(target.id)


_BLOCKS: dict[type[nodes.Node], Callable[[_Translator, Any], Iterator[ast.stmt]]] = {
    nodes.Output: _Translator.printed,
    nodes.For: _Translator.loop,
    nodes.If: _Translator.choice,
    nodes.Assign: _Translator.assigned,
}
"""Every kind of block that may stand in a text."""
