"""Conditions (section 7): Python expressions, operators in words, placeholders bare or in quotes; data stays data."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from intellyhub_engine.errors import ExpressionInvalid
from intellyhub_engine.language.expressions.code_objects import assign, make_function
from intellyhub_engine.language.expressions.codes import Code
from intellyhub_engine.language.expressions.comparison import NATURAL, UNARY_NATURAL
from intellyhub_engine.language.expressions.expressions import MARK, call, constant, load, parse_expression
from intellyhub_engine.language.expressions.rewriter import Rewriter
from intellyhub_engine.language.texts.placeholders import parse_group, split_text

__all__ = ["compile_condition"]

_TOKEN = re.compile(
    r"""(?P<string>[rRbBuUfF]{0,2}(?:'{3}.*?'{3}|"{3}.*?"{3}|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"))
    |(?P<group>\{[^{}]*\})
    |(?P<dollar>\$(?=[^\W\d]|\{))
    |(?P<word>[^\W\d]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<sign>===|!==|&&|\|\||!=|!|[=<>]=|=|<>)
    |(?P<space>\s+)
    |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)

_OPERATORS = sorted(((name.split(), name) for name in NATURAL), key=lambda item: -len(item[0]))
_LOGIC = {"AND": "and", "OR": "or", "NOT": "not", "&&": " and ", "||": " or ", "!": " not "}
_LONE_BACKSLASH = re.compile(r"""\\(?![\\'"abfnrtvxuUN0-7\n])""")
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "if", "else", "for"})


def compile_condition(text: Any, *, dollar_names: bool = False) -> Code:
    """The code of a condition; linked it gives a bool, or raises `EvaluationFailed`. Values that are not text are their
    own truth. Raises `ExpressionInvalid`."""
    if not isinstance(text, str):
        return Code("constant", bool(text))
    if not text.strip():
        raise ExpressionInvalid("the condition is empty", suggestion="write true if it always holds")
    return _Condition(text, dollar_names=dollar_names).code()


class _Condition:
    """One condition being compiled."""

    def __init__(self, text: str, *, dollar_names: bool) -> None:
        self.text = text
        self.dollar_names = dollar_names
        self.rewriter = Rewriter(fill_text=self._fill_text)
        self._origins: list[tuple[int, int]] = []  # offset in the rewritten text, offset in the author's
        self._indent = 0
        self._depth = 0

    def code(self) -> Code:
        source = self._source()
        try:
            truth = self.rewriter.truth(parse_expression(source))
        except ExpressionInvalid as error:
            raise self._placed(error) from error.__cause__
        statements = [ast.While(constant(True), [self._attempt(truth)], [])]
        body = make_function("condition", statements, spends=self.rewriter.spends)
        return Code("condition", body, tuple(sorted(self.rewriter.names)))

    def _attempt(self, truth: ast.expr) -> ast.stmt:
        unknown = ast.ExceptHandler(load("UnknownName"), None, [assign("s", call("TolerantScope", load("s")))])
        what = constant(f"the condition {self.text.strip()[:200]!r}")
        failed = ast.ExceptHandler(load("Exception"), "e", [ast.Raise(call("failed", load("e"), what), load("e"))])
        return ast.Try([ast.Return(truth)], [unknown, failed], [], [])

    def _source(self) -> str:
        """The condition as a Python expression with marks for what Python has not."""
        if MARK in self.text:
            raise ExpressionInvalid(f"{MARK} cannot be part of a name", offset=self.text.index(MARK))
        tokens = [(str(match.lastgroup), match[0], match.start()) for match in _TOKEN.finditer(self.text)]
        parts: list[str] = []
        length = 0
        for piece, offset in self._pieces(tokens):
            self._origins.append((length, offset))
            parts.append(piece)
            length += len(piece)
        source = "".join(parts)
        self._indent = len(source) - len(source.lstrip())
        return source.strip()

    def _pieces(self, tokens: list[tuple[str, str, int]]) -> Iterator[tuple[str, int]]:
        position, before, self._depth = 0, "", 0
        while position < len(tokens):
            kind, text, offset = tokens[position]
            operator, count = _operator_at(tokens, position) if kind == "word" and _ends_operand(before) else ("", 0)
            if operator:
                mark = MARK + operator.replace(" ", "_")
                yield (f"in {mark}" if operator in UNARY_NATURAL else f"in {mark} in "), offset
                position += count
                before = "x" if operator in UNARY_NATURAL else operator
                continue
            piece = self._piece(kind, text, offset, before)
            if piece and (position or kind != "space"):
                yield piece, offset
            before = before if kind == "space" else text
            position += 1

    def _piece(self, kind: str, text: str, offset: int, before: str) -> str:
        if kind == "space":
            return " "
        if kind == "string":  # a pattern's backslashes are its own
            return f"r{text}" if before == "matches" and text[0] in "'\"" else _LONE_BACKSLASH.sub(r"\\\\", text)
        if kind == "group":
            return self._group(text)
        if kind == "dollar" and self.dollar_names:
            return ""
        self._depth += (text == "(") - (text == ")")
        if kind == "sign" and (text in ("===", "!==", "<>") or (text == "=" and not self._depth)):
            suggestion = "write != to compare" if text in ("<>", "!==") else "write == to compare"
            raise ExpressionInvalid(f"{text} is no operator here", offset=offset, suggestion=suggestion)
        return _LOGIC.get(text, text) if kind == "sign" or (kind == "word" and before != ".") else text

    def _group(self, source: str) -> str:
        """The mark of a placeholder; a set or a dict stays what it is."""
        group = parse_group(source.replace("\n", " "))
        if group is None:
            return source.replace("\n", " ")
        mark = f"{MARK}placeholder_{len(self.rewriter.marks)}"
        self.rewriter.marks[mark] = group.code(self.rewriter)
        return f" {mark} "

    def _fill_text(self, text: str) -> ast.expr | None:
        """A string of the author's with the placeholders in it; None when there are none."""
        parts = list(split_text(text, dollar_names=self.dollar_names))
        if not any(not isinstance(part, str) for part in parts):
            return None
        pieces = [
            constant(part) if isinstance(part, str) else self.rewriter.text(part.code(self.rewriter)) for part in parts
        ]
        return pieces[0] if len(pieces) == 1 else call("concatenate", self.rewriter.budget(), *pieces)

    def _placed(self, error: ExpressionInvalid) -> ExpressionInvalid:
        """The fault with its column in the author's text, and the remedy where it is a usual one."""
        column = error.offset + self._indent
        rewritten, offset = max((origin for origin in self._origins if origin[0] <= column), default=(0, 0))
        place = min(offset + column - rewritten, len(self.text))
        suggestion = error.suggestion
        if suggestion is None and error.message.startswith("not an expression"):
            suggestion = "put text in quotes, and a value in braces or bare: {status} == 'ok'"
        return ExpressionInvalid(error.message, offset=place, suggestion=suggestion)


def _ends_operand(text: str) -> bool:
    """Whether an operand may end in this token, so that an operator in words may follow."""
    if not text:
        return False
    return (
        text not in _KEYWORDS
        and text not in _LOGIC
        and text not in NATURAL
        and (text[-1].isalnum() or text[-1] in "_'\")]}")
    )


def _operator_at(tokens: list[tuple[str, str, int]], position: int) -> tuple[str, int]:
    """The operator in words that begins here, and how many tokens it takes; ("", 0) when none does."""
    words = [(text.lower(), index) for index, (kind, text, _) in enumerate(tokens[position:]) if kind != "space"][:3]
    for spelled, name in _OPERATORS:
        if [word for word, _ in words[: len(spelled)]] == spelled:
            return name, words[len(spelled) - 1][1] + 1
    return "", 0
