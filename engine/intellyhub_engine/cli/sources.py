"""The source behind a flow's listener: its function, and its parameters with every name filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.catalogue.manifest import Catalogue, SourceType
from intellyhub_engine.errors import InputInvalid, PermanentError

if TYPE_CHECKING:
    from intellyhub_engine.language.program import Program
    from intellyhub_engine.machine.host import Host
    from intellyhub_engine.machine.source import Listen

__all__ = ["find_source", "resolve_parameters"]


def find_source(program: Program, catalogue: Catalogue) -> tuple[SourceType, Listen]:
    """The type of the flow's listener, and the function that listens. Raises InputInvalid where there is none."""
    if program.listener is None:
        raise InputInvalid(f"the flow {program.name!r} has no listener, so there is nothing to listen to")
    source = catalogue.sources[program.listener.type]
    if source.load is None:
        able = ", ".join(sorted(name for name, other in catalogue.sources.items() if other.load is not None))
        raise InputInvalid(
            f"listening with {source.type!r} is not part of this installation (there are: {able}); use --event FILE"
        )
    return source, source.load()


def resolve_parameters(
    program: Program, source: SourceType, host: Host, variables: Mapping[str, Any]
) -> dict[str, Any]:
    """The listener's parameters: evaluated, converted, defaults filled in. Raises InputInvalid with every fault."""
    from intellyhub_engine.machine.states.conversion import convert

    values, faults = evaluate(program, host, variables)
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
        raise InputInvalid(
            "; ".join(dict.fromkeys(faults)) + "; set what is missing with --env-file, --var or --listener"
        )
    return {name: value for name, value in resolved.items() if value is not None}


def evaluate(program: Program, host: Host, variables: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """The parameters as the flow's own variables and the environment make them, and the names nobody knows."""
    from intellyhub_engine.language.expressions.codes import link
    from intellyhub_engine.language.values.scope import Scope
    from intellyhub_engine.language.values.values import wrap
    from intellyhub_engine.language.values.variables import resolve_variables

    scope = Scope(wrap(dict(variables)), outer=host.outer, now_ns=host.now_ns)
    prelude = program.prelude
    scope.update(resolve_variables({n: c for n, c in prelude.variables.items() if not scope.own(n)}, scope))
    scope.warnings.clear()  # what only an event can give is no fault yet
    return link(prelude.listener)(scope), scope.warnings
