"""The console's built files, on the same port as the API; and the API's documentation, offline."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, request, send_from_directory
from flask_openapi3_swagger import templates

from intellyhub_control_plane.openapi import document_text
from intellyhub_control_plane.platform import the_platform
from intellyhub_control_plane.web.area import NEEDS, Needs

__all__ = ["NOT_THE_CONSOLE", "add_console", "add_documentation"]

NOT_THE_CONSOLE = ("api", "hooks", "events", "health")
"""Where paths begin that are never a page of the console."""
FOREVER = "public, max-age=31536000, immutable"
SWAGGER = Path(templates.__file__).parent / "swagger"
MISSING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>IntellyHub</title>
<h1>IntellyHub</h1><p>The platform runs. Its console is not built yet: <code>make console</code> does that.</p>
<p>The API is described at <a href="/api/docs">/api/docs</a>.</p></html>
"""
DOCUMENTATION = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>IntellyHub API</title>
<link rel="stylesheet" href="/api/docs/files/css/swagger-ui.css"></head><body><div id="swagger-ui"></div>
<script src="/api/docs/files/js/swagger-ui-bundle.js"></script><script src="/api/docs/start.js"></script></body></html>
"""
START = """window.ui = SwaggerUIBundle({url: "/api/openapi.json", dom_id: "#swagger-ui", deepLinking: true,
  persistAuthorization: false, validatorUrl: null});
"""

console = Blueprint("console", __name__)
documentation = Blueprint("documentation", __name__)
NEEDS["console.show"] = NEEDS["console.show_start"] = Needs.NOTHING
for name in ("show_document", "show_documentation", "start", "show_file"):
    NEEDS[f"documentation.{name}"] = Needs.NOTHING


def add_console(app: Flask) -> None:
    """Serve the console wherever nothing else is."""
    app.register_blueprint(console)


def add_documentation(app: Flask) -> None:
    """Serve the OpenAPI document and its pages."""
    app.register_blueprint(documentation)


@console.get("/")
def show_start() -> Response:
    """The console's page."""
    return show("")


@console.get("/<path:path>")
def show(path: str) -> Response:
    """A file of the console; for any other path its page, which knows its own routes."""
    if path.partition("/")[0] in NOT_THE_CONSOLE:
        abort(404)
    folder = the_platform().console
    if not (folder / "index.html").is_file():
        return Response(MISSING, mimetype="text/html")
    is_file = bool(path) and (folder / path).is_file()
    if not is_file and path.startswith("assets/"):
        abort(404)
    response = send_built(folder, path if is_file else "index.html")
    response.headers["Cache-Control"] = FOREVER if path.startswith("assets/") else "no-cache"
    return response


def send_built(folder: Path, path: str) -> Response:
    """A file, or the smaller form of it that was made with it, for clients that take that."""
    packed = f"{path}.gz"
    if not request.accept_encodings["gzip"] or not (folder / packed).is_file():
        response = send_from_directory(folder, path)
    else:
        kind = mimetypes.guess_type(path)[0]
        response = send_from_directory(folder, packed, mimetype=kind)
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    return response


@documentation.get("/api/openapi.json")
def show_document() -> Response:
    """The OpenAPI document."""
    return Response(document_text(), mimetype="application/json")


@documentation.get("/api/docs")
@documentation.get("/docs")
def show_documentation() -> Response:
    """The API's description, to read and to try."""
    return Response(DOCUMENTATION, mimetype="text/html")


@documentation.get("/api/docs/start.js")
def start() -> Response:
    """What starts the page: no script stands in the page itself."""
    return Response(START, mimetype="text/javascript")


@documentation.get("/api/docs/files/<path:path>")
def show_file(path: str) -> Response:
    """Swagger UI's own files."""
    return send_from_directory(SWAGGER, path)
