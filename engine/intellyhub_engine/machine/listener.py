"""The parameters of a flow's listener, with every name in them filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.catalogue.manifest import SourceType
from intellyhub_engine.errors import InputInvalid, PermanentError
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import wrap
from intellyhub_engine.language.values.variables import resolve_variables
from intellyhub_engine.machine.states.conversion import convert

if TYPE_CHECKING:
    from intellyhub_engine.language.program import Prelude

__all__ = ["fill_in"]


def fill_in(
    prelude: Prelude,
    source: SourceType,
    *,
    outer: Mapping[str, Any],
    now_ns: Callable[[], int],
    remedy: str,
    variables: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A prelude's listener with every name filled in from the flow's variables and from `outer`. What has no value is
    left out, but for a secret that was written down: None says that one is wanted and missing. Raises InputInvalid
    with every fault; it ends with the `remedy`."""
    values, faults = evaluate(prelude, outer, now_ns, variables or {})
    resolved = {name: parameter.default for name, parameter in source.parameters.items()}
    for name, value in values.items():
        parameter = source.parameters.get(name)
        try:
            fitting = (
                value if parameter is None or value is None else convert(value, parameter, f"the listener's {name!r}")
            )
        except PermanentError as fault:
            faults.append(str(fault))
        else:
            resolved[name] = fitting
    missing = [name for name, parameter in source.parameters.items() if parameter.required and resolved[name] is None]
    faults += [f"the listener's {name!r} has no value" for name in missing]
    if faults:
        raise InputInvalid("; ".join(dict.fromkeys(faults)) + "; " + remedy)
    empty_secrets = {name for name in values if name in source.parameters and source.parameters[name].secret}
    return {name: value for name, value in resolved.items() if value is not None or name in empty_secrets}


def evaluate(
    prelude: Prelude, outer: Mapping[str, Any], now_ns: Callable[[], int], variables: Mapping[str, Any]
) -> tuple[Mapping[str, Any], list[str]]:
    """The parameters as the flow's own variables and the environment make them, and the names nobody knows."""
    scope = Scope(wrap(dict(variables)), outer=outer, now_ns=now_ns)
    scope.update(resolve_variables({n: c for n, c in prelude.variables.items() if not scope.own(n)}, scope))
    scope.warnings.clear()  # what only an event can give is no fault yet
    return link(prelude.listener)(scope), scope.warnings
