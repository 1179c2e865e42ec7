"""The exchange behind functions-framework: a Flask request in, a Flask response out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import flask

from intellyhub_engine.errors import EngineError
from intellyhub_engine.serving.decision import too_large
from intellyhub_engine.serving.message import Request, Response
from intellyhub_engine.serving.prepared import Prepared
from intellyhub_engine.serving.problems import Fault, RequestRefused, make_problem
from intellyhub_engine.serving.worker import make_worker

__all__ = ["Framework", "make_framework"]

LOG = logging.getLogger(__name__)


class Framework:
    """Answers Flask requests with an exchange, or with why there is none."""

    def __init__(self, answer: Callable[[Request], Response], *, max_body_bytes: int) -> None:
        self._answer = answer
        self._max_body_bytes = max_body_bytes

    def handle(self, request: flask.Request) -> flask.Response:
        """Answer one request."""
        try:
            response = self._answer(make_request(request, self._max_body_bytes))
        except RequestRefused as refusal:
            response = refusal.response
        return make_flask_response(response)


def make_framework(prepared: Prepared | EngineError, environment: Mapping[str, str]) -> Framework:
    """The worker of this environment. One that cannot start answers every request with 503 and logs why."""
    try:
        if isinstance(prepared, EngineError):
            raise prepared
        settings = prepared.settings
        worker = make_worker(settings, environment, prepared.outside)
    except EngineError as fault:
        LOG.error("%s", fault)  # noqa: TRY400 - a person reads it, not a developer
        refusal = make_problem(Fault.NOT_READY, "the worker cannot start; its log says why", retry_after_seconds=5)
        return Framework(lambda _: refusal, max_body_bytes=0)
    if worker.sweeper is not None:
        worker.sweeper.start()
    return Framework(worker.exchange.answer, max_body_bytes=settings.max_body_bytes)


def make_request(request: flask.Request, max_body_bytes: int) -> Request:
    """The request as a plain value. Raises `RequestRefused` for a body beyond the limit."""
    environ = request.environ
    body = b""
    if max_body_bytes:
        if (request.content_length or 0) > max_body_bytes:
            raise too_large(max_body_bytes)
        body = environ["wsgi.input"].read(max_body_bytes + 1) if is_bounded(environ) else request.get_data(cache=False)
        if len(body) > max_body_bytes:
            raise too_large(max_body_bytes)
    target = environ.get("RAW_URI") or request.full_path.removesuffix("?")
    return Request(request.method, target, dict(read_headers(environ)), body, request.remote_addr or "")


def is_bounded(environ: Mapping[str, object]) -> bool:
    """Whether the server ends the input with the body, so that reading to the end does not hang."""
    return bool(environ.get("wsgi.input_terminated"))


def read_headers(environ: Mapping[str, object]) -> Mapping[str, str]:
    """The headers as the lean server gives them."""
    headers = {}
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            headers[key[5:].replace("_", "-").lower()] = str(value)
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            headers[key.replace("_", "-").lower()] = str(value)
    return headers


def make_flask_response(response: Response) -> flask.Response:
    """The answer as Flask wants it."""
    made = flask.Response(response.body, status=response.status, headers=list(response.headers))
    made.headers.remove("Content-Type")
    if response.content_type is not None:
        made.headers["Content-Type"] = response.content_type
    return made
