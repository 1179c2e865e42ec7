"""`/api/functions`: what flows are made of, as editors and forms need to know it."""

from __future__ import annotations

from functools import lru_cache

from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.present.texts import catalogue_of
from intellyhub_control_plane.shapes.functions import Function, FunctionParameter, Functions
from intellyhub_control_plane.target.equipment import look_into
from intellyhub_control_plane.web.area import Area
from intellyhub_control_plane.web.caller import Caller
from intellyhub_engine.catalogue.manifest import SourceType, StateType
from intellyhub_functions.plugins.tables import InstalledPlugin

__all__ = ["functions"]

functions = Area("functions", "Functions: state types and sources")


@functions.operation("GET", "/api/functions", needs=Role.VIEWER, answers={200: Functions})
def list_functions(caller: Caller) -> Functions:
    """List the state types and sources that flows of this tenant can name, with their parameters."""
    return describe(look_into(caller.session, caller.platform.layout, caller.tenant).plugins)


@lru_cache(maxsize=64)
def describe(plugins: tuple[InstalledPlugin, ...]) -> Functions:
    """The catalogue of who has these plugins. Not to be changed."""
    catalogue = catalogue_of(plugins)
    return Functions(
        states=[show(catalogue.states[name]) for name in sorted(catalogue.states)],
        sources=[show(catalogue.sources[name]) for name in sorted(catalogue.sources)],
    )


def show(kind: StateType | SourceType) -> Function:
    """As the API shows it."""
    return Function(
        type=kind.type,
        aliases=list(kind.aliases),
        description=kind.description,
        installed=kind.installed,
        parameters=[
            FunctionParameter(
                name=parameter.name,
                types=list(parameter.types),
                required=parameter.required,
                default=parameter.default,
                enum=list(parameter.enum),
                aliases=list(parameter.aliases),
                secret=parameter.secret,
                description=parameter.description,
            )
            for parameter in kind.parameters.values()
        ],
    )
