"""The author's `variables` block, resolved when a run starts (section 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.language.expressions.codes import Code, link
from intellyhub_engine.language.values.scope import Scope, UnknownName
from intellyhub_engine.language.values.values import wrap

__all__ = ["compile_variables", "resolve_variables"]


def compile_variables(block: Mapping[str, Any], *, dollar_names: bool = False) -> dict[str, Code]:
    """The block with every value compiled. Raises `ExpressionInvalid`."""
    from intellyhub_engine.language.texts.templates import compile_template

    return {name: compile_template(value, dollar_names=dollar_names) for name, value in block.items()}


def resolve_variables(block: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """The value of every name of the block, compiled or as written.

    Entries may use one another, in any order, and everything in `scope`, whose own entries (the event's, the caller's)
    win over the block. An entry that uses its own name means what lies outside: `X: "{X}"` takes X from there.
    What cannot be resolved stays as written and is reported in `scope.warnings`.
    """
    codes = {name: value if isinstance(value, Code) else _compiled(name, value) for name, value in block.items()}
    resolving = _Resolving(codes, scope)
    return {name: resolving.entry(name) for name in codes}


def _compiled(name: str, value: Any) -> Code:
    return compile_variables({name: value})[name]


class _Resolving(Scope):
    """A scope whose missing names are looked for in the block, then outside."""

    __slots__ = ("_codes", "_entered", "_found", "_given")

    def __init__(self, codes: Mapping[str, Code], scope: Scope) -> None:
        super().__init__(outer=scope, now_ns=scope.now_ns, random=scope.random, warnings=scope.warnings)
        self._codes = codes
        self._given = scope
        self._entered: set[str] = set()
        self._found: dict[str, Any] = {}

    def entry(self, name: str) -> Any:
        """The value of an entry of the block."""
        if name not in self._found:
            self._entered.add(name)
            try:
                self._found[name] = wrap(link(self._codes[name])(self))
            finally:
                self._entered.discard(name)
        return self._found[name]

    def __missing__(self, name: str) -> Any:
        if name in self._codes and name not in self._entered and not self._given.own(name):
            return self.entry(name)
        try:
            return super().__missing__(name)
        except UnknownName:
            if name in self._entered:
                self.warnings.append(f"the variable {name!r} is defined by itself, and nothing outside is called so")
            raise
