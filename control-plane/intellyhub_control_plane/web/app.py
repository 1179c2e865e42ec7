"""The Flask application, put together."""

from __future__ import annotations

from flask import Flask

from intellyhub_control_plane.metrics import measure_requests
from intellyhub_control_plane.platform import Platform, attach
from intellyhub_control_plane.web.console import add_console, add_documentation
from intellyhub_control_plane.web.document import make_documented_app
from intellyhub_control_plane.web.guard import close_session, guard
from intellyhub_control_plane.web.headers import add_security_headers
from intellyhub_control_plane.web.problems import add_error_handlers, refuse_request

__all__ = ["make_app"]

MAX_BODY_BYTES = 16 << 20


def make_app(platform: Platform) -> Flask:
    """The application of one platform."""
    app = make_documented_app(validation_error_callback=refuse_request)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    attach(app, platform)
    measure_requests(app)
    app.before_request(guard)
    app.teardown_request(close_session)
    add_security_headers(app)
    add_error_handlers(app)
    add_documentation(app)
    add_console(app)
    return app
