"""Shell texts: every placeholder becomes data of the shell, whatever quotes it stands in, and never its code.

A value is bound to a shell variable in front of the script, in single quotes, and the script expands that variable in
the form its context needs. What a shell has expanded it does not parse again, so a wrong guess about a context could
split a word but never run one.
"""

from __future__ import annotations

import ast

from intellyhub_engine.errors import ExpressionInvalid
from intellyhub_engine.language.expressions.code_objects import assign, attempt, make_function
from intellyhub_engine.language.expressions.codes import Code
from intellyhub_engine.language.expressions.expressions import call, constant, load
from intellyhub_engine.language.expressions.rewriter import Rewriter
from intellyhub_engine.language.texts.shell_syntax import Context, Place, split_script
from intellyhub_engine.language.texts.shell_values import environment, evaluates

__all__ = ["compile_shell", "environment"]

_FORMS = {Context.WORD: '"${%s}"', Context.DOUBLE: "${%s}", Context.SINGLE: "'\"${%s}\"'"}


def compile_shell(text: str, *, dollar_names: bool = False) -> Code:
    """The code of a shell text; linked it gives the script. `$name` is the shell's own affair in every dialect: the
    command's environment holds the variables. Raises `ExpressionInvalid`."""
    try:
        pieces = split_script(text)
    except RecursionError as error:
        raise ExpressionInvalid("the script's quotes are nested too deeply") from error
    if not any(isinstance(piece, Place) for piece in pieces):
        return Code("constant", text)
    return _Script(pieces, checked=evaluates(text)).code()


class _Script:
    """One script being compiled."""

    def __init__(self, pieces: list[str | Place], *, checked: bool) -> None:
        self.rewriter = Rewriter()
        self._checked = checked
        self._pieces = pieces
        self._statements: list[ast.stmt] = [assign("p", ast.Dict([], []))]
        self._count = 0

    def code(self) -> Code:
        parts = [constant(piece) if isinstance(piece, str) else self._placed(piece) for piece in self._pieces]
        shown: list[ast.expr] = [
            part if isinstance(part, ast.Constant) else ast.FormattedValue(part, -1) for part in parts
        ]
        result = ast.Return(call("script", ast.JoinedStr(shown), load("p")))
        body = make_function("shell", [*self._statements, result], spends=self.rewriter.spends)
        return Code("shell", body, tuple(sorted(self.rewriter.names)))

    def _placed(self, place: Place) -> ast.expr:
        try:
            value = place.group.code(self.rewriter)
        except ExpressionInvalid:  # braces around something that only looks like an expression
            return constant(place.group.source)
        self._count += 1
        name = f"g_{self._count}"
        stored = attempt([assign(name, value)], [assign(name, call("Unresolved", self._left(place)))])
        self._statements += [stored, assign(name, self._bound(load(name), place))]
        return load(name)

    def _left(self, place: Place) -> ast.expr:
        return call("left", load("s"), constant(place.group.source), load("e"))

    def _bound(self, value: ast.expr, place: Place) -> ast.expr:
        context = place.context
        if context in (Context.NUMBER, Context.COMPARED):
            return call("number", value, constant(context is Context.NUMBER))
        variable = f"_value_{self._count}"
        binding = load("p"), constant(variable), constant(_FORMS[context] % variable), value
        if self._checked:
            return call("bind_checked", *binding, constant(place.within_subscript))
        return call("bind", *binding)
