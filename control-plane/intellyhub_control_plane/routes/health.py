"""`/health`, `/api/health`, `/api/metrics`, `/api/version`: how the platform is."""

from __future__ import annotations

import platform as machine
from importlib.metadata import PackageNotFoundError, version

from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST

from intellyhub_control_plane.health import overall, parts_health
from intellyhub_control_plane.metrics import render_metrics
from intellyhub_control_plane.platform import the_platform
from intellyhub_control_plane.shapes.operations import Health, HealthQuery, HealthStatus, VersionInfo
from intellyhub_control_plane.web.area import Area, Needs, Reply
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.guard import is_signed_in

__all__ = ["health"]

PACKAGES = ("intellyhub-engine", "intellyhub-functions", "intellyhub-knative", "intellyhub-control-plane")
health = Area("health", "How the platform is")


@health.operation("GET", "/health", needs=Needs.NOTHING, answers={200: Health})
def get_liveness() -> Health:
    """Tell whether the control plane lives. Cheap."""
    return alive()


@health.operation("GET", "/api/health", needs=Needs.NOTHING, answers={200: Health, 503: Health}, faults=(401,))
def get_health(query: HealthQuery) -> Reply:
    """Tell how the platform is; `detailed=true` asks every part. Reasons and processes are for who is signed in."""
    if not query.detailed:
        return Reply(alive(), 200)
    known = is_signed_in()
    parts = parts_health(the_platform())
    if not known:
        parts = {name: part.model_copy(update={"reason": None, "pid": None}) for name, part in parts.items()}
    status = overall(parts)
    document = Health(status=status, version=version(PACKAGES[-1]), components=parts)
    return Reply(document, 503 if status is HealthStatus.DOWN else 200)


@health.operation("GET", "/api/metrics", needs=Needs.PLATFORM, answers={200: "text/plain"})
def get_metrics(caller: Caller) -> Response:
    """Figures for Prometheus, over all tenants: for platform administrators and their API tokens."""
    return Response(render_metrics(caller.platform), content_type=CONTENT_TYPE_LATEST)


@health.operation("GET", "/api/version", needs=Needs.NOTHING, answers={200: VersionInfo})
def get_version_info() -> VersionInfo:
    """Tell what is installed."""
    return VersionInfo(version=version(PACKAGES[-1]), packages=installed_packages(), python=machine.python_version())


def alive() -> Health:
    """Who answers, lives."""
    return Health(status=HealthStatus.OK, version=version(PACKAGES[-1]), components=None)


def installed_packages() -> dict[str, str]:
    """Our own packages, by name."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
