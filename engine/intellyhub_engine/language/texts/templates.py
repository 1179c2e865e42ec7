"""Templates (section 6): any value of a flow's text, compiled to what builds it from a scope.

A placeholder that cannot be resolved stays as written. What was put in is never looked at again.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from intellyhub_engine.errors import ExpressionInvalid, ValueRefused
from intellyhub_engine.language.expressions.code_objects import assign, attempt, make_function
from intellyhub_engine.language.expressions.codes import Code
from intellyhub_engine.language.expressions.expressions import call, constant, load
from intellyhub_engine.language.expressions.rewriter import Rewriter
from intellyhub_engine.language.texts.placeholders import Dollar, Group, split_text
from intellyhub_engine.language.values.values import encode, wrap

__all__ = ["compile_template", "has_jinja"]

Part = str | Group | Dollar

_SCALARS = (str, int, float, bool, type(None))
_JINJA_BLOCK = re.compile(
    r"\{%[-+]?\s*(?:autoescape|block|call|do|elif|else|extends|filter|for|from|if|import|include|macro|raw|set|with"
    r"|end[a-z]+)\b.*?%\}",
    re.DOTALL,
)
_JINJA_PRINT = re.compile(r"\{\{(?!\s*\}\}).*?\}\}", re.DOTALL)


def compile_template(value: Any, *, dollar_names: bool = False) -> Code:
    """The code of a value: text with placeholders, or lists and mappings of such. Linked it gives a fresh value every
    time; a text that is one placeholder gives that value as it is. Raises `ExpressionInvalid`."""
    if isinstance(value, _SCALARS) and not (isinstance(value, str) and ("{" in value or dollar_names)):
        return Code("constant", value)
    template = _Template(dollar_names=dollar_names)
    try:
        result = template.value(value)
    except RecursionError as error:
        raise ExpressionInvalid("the value is nested too deeply") from error
    if isinstance(result, ast.Constant) and not template.statements:
        return Code("constant", result.value)
    statements = [*template.statements, ast.Return(result)]
    body = make_function("template", statements, spends=template.rewriter.spends)
    return Code("template", body, tuple(sorted(template.rewriter.names)))


def has_jinja(text: str) -> bool:
    """Whether the text has Jinja blocks or prints."""
    return "{" in text and (_JINJA_BLOCK.search(text) is not None or _JINJA_PRINT.search(text) is not None)


class _Template:
    """One template being compiled: the statements that fill variables, and the expression that puts them together."""

    def __init__(self, *, dollar_names: bool) -> None:
        self.rewriter = Rewriter()
        self.statements: list[ast.stmt] = []
        self._dollar_names = dollar_names
        self._count = 0

    def value(self, value: Any) -> ast.expr:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return ast.Dict([self._literal(key) for key in value], [self.value(item) for item in value.values()])
        if isinstance(value, (list, tuple)):
            return ast.List([self.value(item) for item in value], ast.Load())
        return self._literal(value)

    def _literal(self, value: Any) -> ast.expr:
        if isinstance(value, _SCALARS) and value == value:  # NaN is no constant of a cache
            return constant(value)
        try:
            return call("decode", constant(encode(wrap(value))))
        except ValueRefused as error:
            raise ExpressionInvalid(str(error)) from error

    def text(self, text: str) -> ast.expr:
        if has_jinja(text):
            from intellyhub_engine.language.texts.jinja_texts import NotJinja

            try:
                return self._jinja(text)
            except NotJinja as error:
                if _JINJA_BLOCK.search(text):
                    raise
                note = f"{text.strip()[:60]!r} is taken as plain text: {error}"
                self.statements.append(ast.Expr(call("note", load("s"), constant(note))))
        parts = self._compiled(text)
        if len(parts) == 1:
            part, code = parts[0]
            return constant(part) if code is None else self._whole(part, code)
        show = _json_places(parts) or ["text_of"] * len(parts)
        pieces: list[ast.expr] = [
            constant(part) if code is None else ast.FormattedValue(self._filled(part, code, how), -1)
            for (part, code), how in zip(parts, show, strict=True)
        ]
        return ast.JoinedStr(pieces)

    def _compiled(self, text: str) -> list[tuple[str, ast.expr | None]]:
        """The text in order: literal parts, and placeholders with their code."""
        parts: list[tuple[str, ast.expr | None]] = []
        whole = False
        for part in split_text(text, dollar_names=self._dollar_names):
            source, code = part if isinstance(part, str) else part.source, None
            whole = source == text
            if not isinstance(part, str):
                code = self._code(part, whole=whole)
            if code is None and parts and parts[-1][1] is None:
                parts[-1] = (parts[-1][0] + source, None)
            else:
                parts.append((source, code))
        return parts or [("", None)]

    def _code(self, part: Group | Dollar, *, whole: bool) -> ast.expr | None:
        try:
            return part.code(self.rewriter, whole=whole) if isinstance(part, Dollar) else part.code(self.rewriter)
        except ExpressionInvalid:  # braces around something that only looks like an expression
            return None

    def _whole(self, source: str, code: ast.expr) -> ast.expr:
        """The native value."""
        return self._attempt(source, [assign(self._next(), code)])

    def _filled(self, source: str, code: ast.expr, how: str) -> ast.expr:
        """The value as text."""
        name = self._next()
        stored = assign(name, code)
        if how != "text_of":
            return self._attempt(source, [assign(name, call(how, code))])
        is_other = ast.Compare(call("type", load(name)), [ast.IsNot()], [load("str")])
        return self._attempt(source, [stored, ast.If(is_other, [assign(name, call("text_of", load(name)))], [])])

    def _next(self) -> str:
        self._count += 1
        return f"g_{self._count}"

    def _attempt(self, source: str, body: Sequence[ast.stmt]) -> ast.expr:
        name = f"g_{self._count}"
        unresolved = call("left", load("s"), constant(source), load("e"))
        self.statements.append(attempt(body, [assign(name, unresolved)]))
        return load(name)

    def _jinja(self, text: str) -> ast.expr:
        """Blocks and prints are Jinja's; placeholders in the text between them are ours."""
        from intellyhub_engine.language.texts.jinja_texts import jinja_statements

        self._count += 1
        output = f"o_{self._count}"
        outer, self.statements = self.statements, []
        try:
            statements = jinja_statements(text, self.rewriter, output, self._between)
        finally:
            self.statements = outer
        what = call("failed", load("e"), constant(f"the text {text.strip()[:60]!r}…"))
        handler = ast.ExceptHandler(load("Exception"), "e", [ast.Raise(what, load("e"))])
        self.statements.append(ast.Try(statements, [handler], [], []))
        return call("concatenate", self.rewriter.budget(), ast.Starred(load(output), ast.Load()))

    def _between(self, literal: str) -> Iterator[str | tuple[Sequence[ast.stmt], ast.expr]]:
        was_lenient, self.rewriter.lenient = self.rewriter.lenient, False
        for part, code in self._compiled(literal):
            if code is None:
                yield part
            else:
                value = self._filled(part, code, "text_of")
                filling, self.statements = self.statements, []
                yield filling, value
        self.rewriter.lenient = was_lenient


def _json_places(parts: list[tuple[str, ast.expr | None]]) -> list[str] | None:
    """How each part is shown where the text around the placeholders is JSON; None when it is not."""
    if not parts[0][0].lstrip().startswith(("{", "[")) or parts[0][1] is not None:
        return None
    show: list[str] = []
    probe = ""
    inside = False
    for source, code in parts:
        if code is None:
            inside = _ends_inside_string(source, inside=inside)
            probe += source
        else:
            probe += "x" if inside else "0"
        show.append("json_inner" if inside else "json_value")
    try:
        json.loads(probe)
    except (ValueError, RecursionError):
        return None
    return show


def _ends_inside_string(text: str, *, inside: bool) -> bool:
    for match in re.finditer(r"\\.|\"", text, re.DOTALL):
        inside = inside != (match[0] == '"')
    return inside
