"""The Flask application, put together."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask, Request
from flask.json.provider import DefaultJSONProvider

from intellyhub_control_plane.metrics import measure_requests
from intellyhub_control_plane.platform import Platform, attach
from intellyhub_control_plane.web.console import add_console, add_documentation
from intellyhub_control_plane.web.document import make_documented_app
from intellyhub_control_plane.web.guard import close_session, guard
from intellyhub_control_plane.web.headers import add_security_headers
from intellyhub_control_plane.web.problems import add_error_handlers, refuse_request

__all__ = ["make_app"]

MAX_BODY_BYTES = 16 << 20


class StrictJson(DefaultJSONProvider):
    """JSON that can be kept and written again: no NaN, no halves of characters, no endless depth."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """The document. Raises `ValueError`."""
        try:
            document = json.loads(s, parse_constant=refuse_constant, **kwargs)
            json.dumps(document, ensure_ascii=False).encode()
        except RecursionError as fault:
            raise ValueError("it is nested too deeply") from fault
        return document


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


class OurRequest(Request):
    """A request whose empty body says as little as an empty object."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body as JSON."""
        if not self.get_data(cache=cache):
            return {}
        return super().get_json(force=force, silent=silent, cache=cache)


def make_app(platform: Platform) -> Flask:
    """The application of one platform."""
    app = make_documented_app(validation_error_callback=refuse_request)
    app.request_class = OurRequest
    app.json = StrictJson(app)
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
