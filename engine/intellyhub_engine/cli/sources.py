"""The source behind a flow's listener: its function, and its parameters as the command line gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.catalogue.manifest import Catalogue, SourceType
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.machine.listener import fill_in

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
    remedy = "set what is missing with --env-file, --var or --listener"
    return fill_in(program.prelude, source, outer=host.outer, now_ns=host.now_ns, variables=variables, remedy=remedy)
