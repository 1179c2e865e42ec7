"""How the platform is reached from outside."""

from __future__ import annotations

from flask import request

from intellyhub_control_plane.platform import the_platform

__all__ = ["public_url"]


def public_url() -> str:
    """The address that the settings name, else the one that this request came by, as the gateway tells it."""
    if the_platform().settings.public_url:
        return the_platform().settings.public_url
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
    host = request.headers.get("X-Forwarded-Host", request.host)
    return f"{scheme}://{host}"
