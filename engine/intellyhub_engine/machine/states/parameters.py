"""A state's parameters at one visit: evaluated, converted to the types of the manifest, defaults filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.catalogue.manifest import Parameter, Syntax
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.states.conversion import convert

if TYPE_CHECKING:
    from intellyhub_engine.catalogue.manifest import StateType
    from intellyhub_engine.language.expressions.codes import Code
    from intellyhub_engine.language.program import StateCode
    from intellyhub_engine.language.values.scope import Scope
    from intellyhub_engine.machine.active import ActiveRun

__all__ = ["Resolve", "make_resolver"]

Resolve = Callable[["ActiveRun"], dict[str, Any]]
"""The parameters for this visit. Raises PermanentError naming the parameter that does not fit."""


def make_resolver(code: StateCode, kind: StateType | None) -> Resolve:
    """What gives the parameters of one state."""
    known: Mapping[str, Parameter] = kind.parameters if kind else {}
    defaults = {name: parameter.default for name, parameter in known.items() if parameter.default is not None}
    required = [name for name, parameter in known.items() if parameter.required]
    parts = [(name, link(text), checker_of(code, known.get(name))) for name, text in code.codes.items()]
    if kind is not None and kind.texts:
        parts = [(name, give, check or text_for(code.codes[name])) for name, give, check in parts]
    secret = [name for name, parameter in known.items() if parameter.secret and name in code.codes]

    def resolve(run: ActiveRun) -> dict[str, Any]:
        parameters = evaluate(parts, run.scope, defaults)
        for name in required:
            if parameters.get(name) is None:
                raise PermanentError(f"the parameter {name!r} of {code.name!r} has no value")
        for name in secret:
            keep_secret(run, parameters.get(name))
        return parameters

    return resolve


Part = tuple[str, Callable[["Scope"], Any], Callable[[Any], Any] | None]


def evaluate(parts: list[Part], scope: Scope, defaults: Mapping[str, Any]) -> dict[str, Any]:
    parameters = dict(defaults)
    for name, give, check in parts:
        value = give(scope)
        if value is None:
            parameters.setdefault(name, None)
        else:
            parameters[name] = check(value) if check else value
    return parameters


def checker_of(code: StateCode, parameter: Parameter | None) -> Callable[[Any], Any] | None:
    """What brings a value to the parameter's type; None where any value will do."""
    if parameter is None or parameter.syntax in (Syntax.CODE, Syntax.SHELL, Syntax.CONDITION):
        return None
    if "any" in parameter.types and not parameter.enum:
        return None
    place = f"the parameter {parameter.name!r} of {code.name!r}"
    return lambda value: convert(value, parameter, place)


def text_for(text: Code) -> Callable[[Any], Any] | None:
    """What makes a text of the number or truth value that a placeholder gives; None for what was written as one."""
    if text.kind == "constant":
        return None
    return lambda value: text_of(value) if isinstance(value, int | float) else value


def keep_secret(run: ActiveRun, value: Any) -> None:
    """From here on the value is masked in whatever the run shows. A placeholder that nothing filled is no secret: its
    name is what a person needs to read."""
    if isinstance(value, str) and value not in run.family.secrets and not UNFILLED.fullmatch(value.strip()):
        run.family.secrets |= {value}


UNFILLED = re.compile(r"\$?\{\s*[A-Za-z_][A-Za-z0-9_.]*\s*\}")
