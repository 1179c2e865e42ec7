"""The OpenAPI document, from the declared routes."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI

from intellyhub_control_plane.routes.auth import auth
from intellyhub_control_plane.routes.builds import builds
from intellyhub_control_plane.routes.execution import execution
from intellyhub_control_plane.routes.flows import flows
from intellyhub_control_plane.routes.functions import functions
from intellyhub_control_plane.routes.health import health
from intellyhub_control_plane.routes.operations import operations
from intellyhub_control_plane.routes.plugin_sources import plugin_sources
from intellyhub_control_plane.routes.plugins import plugins
from intellyhub_control_plane.routes.repositories import repositories
from intellyhub_control_plane.routes.rollouts import rollouts
from intellyhub_control_plane.routes.runs import runs
from intellyhub_control_plane.routes.services import services
from intellyhub_control_plane.routes.settings import settings
from intellyhub_control_plane.routes.tokens import tokens
from intellyhub_control_plane.routes.versions import versions
from intellyhub_control_plane.shapes.problems import Problem

__all__ = ["make_documented_app"]

AREAS = (
    auth,
    tokens,
    flows,
    versions,
    rollouts,
    builds,
    repositories,
    execution,
    runs,
    functions,
    plugins,
    plugin_sources,
    services,
    settings,
    operations,
    health,
)
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "The `access_token` of a login, or an API token (`ihub_...`).",
}


def make_documented_app(**options: Any) -> OpenAPI:
    """A Flask application with every route of the API, which knows its own document."""
    app = OpenAPI(
        "intellyhub_control_plane",
        info=Info(
            title="IntellyHub",
            version=version("intellyhub-control-plane"),
            description="Flows, their runs, and what they need. Faults are problem documents (RFC 9457).",
        ),
        security_schemes={"bearer": BEARER},
        validation_error_model=Problem,
        doc_prefix="/api",
        doc_ui=False,
        static_folder=None,
        **options,
    )
    app.url_map.strict_slashes = False
    for area in AREAS:
        app.register_api(area)
    return app
