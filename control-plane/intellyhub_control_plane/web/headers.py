"""What every answer says to browsers."""

from __future__ import annotations

from flask import Flask, Response, request

__all__ = ["add_security_headers"]

CONSOLE_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
DOCUMENTATION_POLICY = CONSOLE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""Swagger UI sets styles on its elements."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def add_security_headers(app: Flask) -> None:
    """Set them on all answers. What the API says is about one tenant: nobody on the way keeps it."""

    def add(response: Response) -> Response:
        response.headers.extend(HEADERS)
        is_documentation = request.path.startswith(("/api/docs", "/docs"))
        response.headers["Content-Security-Policy"] = DOCUMENTATION_POLICY if is_documentation else CONSOLE_POLICY
        if request.path.startswith("/api/") and not is_documentation:
            response.headers.setdefault("Cache-Control", "no-store")
        if request.headers.get("X-Forwarded-Proto") == "https":
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        return response

    app.after_request(add)
