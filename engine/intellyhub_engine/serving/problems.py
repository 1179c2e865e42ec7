"""The faults a worker answers with, as RFC 9457 problem documents."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import orjson

from intellyhub_engine.errors import EngineError
from intellyhub_engine.serving.message import Response

__all__ = [
    "CONTENT_TYPE",
    "MAX_PROBLEM_BYTES",
    "PREFIX",
    "Fault",
    "Kind",
    "RequestRefused",
    "make_problem",
    "retry_header",
]

MAX_PROBLEM_BYTES = 768
"""A larger error body kills the in-memory dispatcher of Knative Eventing 1.22, which has 1,024 bytes for its Base64."""

CONTENT_TYPE = "application/problem+json"
PREFIX = "urn:intellyhub:problem:"


class Kind(NamedTuple):
    """What every problem of one type has in common."""

    code: str
    status: int
    title: str


class Fault(Enum):
    """Every type of problem a worker answers with; docs/worker.md lists them."""

    BAD_REQUEST = Kind("bad-request", 400, "The request cannot be understood")
    BAD_EVENT = Kind("bad-event", 400, "The request is not a valid CloudEvent")
    BAD_BODY = Kind("bad-body", 400, "The body cannot be read")
    UNAUTHENTICATED = Kind("unauthenticated", 401, "The request does not show who sends it")
    NOT_FOUND = Kind("not-found", 404, "There is nothing here")
    METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "This method is not offered here")
    TOO_SLOW = Kind("too-slow", 408, "The request did not arrive in time")
    RUN_CANCELLED = Kind("run-cancelled", 409, "The run was cancelled")
    OTHER_VERSION = Kind("other-version", 409, "Another version of the flow has the run")
    RUN_ENDED = Kind("run-ended", 409, "The run has already ended")
    TOO_LARGE = Kind("too-large", 413, "The body is too large")
    UNSUPPORTED_TYPE = Kind("unsupported-type", 415, "The body's type is not supported")
    EXPECTATION = Kind("expectation", 417, "The expectation cannot be met")
    INPUT_UNFIT = Kind("input-unfit", 422, "The input does not fit the flow")
    HEADERS_TOO_LARGE = Kind("headers-too-large", 431, "The headers are too large")
    RUN_FAILED = Kind("run-failed", 500, "The flow failed")
    INTERNAL = Kind("internal", 500, "The worker failed")
    RUN_RETRYABLE = Kind("run-retryable", 503, "The flow failed for a reason that may pass")
    BUSY = Kind("busy", 503, "The worker is busy")
    IN_FLIGHT = Kind("in-flight", 503, "The same event is being worked on")
    JOURNAL_UNAVAILABLE = Kind("journal-unavailable", 503, "The run cannot be recorded")
    STOPPING = Kind("stopping", 503, "The worker is stopping")
    NOT_READY = Kind("not-ready", 503, "The worker is not ready")
    VERSION = Kind("http-version", 505, "This version of HTTP is not supported")


class RequestRefused(EngineError):
    """The request is answered with a problem and starts nothing."""

    def __init__(self, fault: Fault, detail: str, *, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.fault = fault
        self.detail = detail
        self.headers = headers
        super().__init__(detail)

    @property
    def response(self) -> Response:
        """The problem document."""
        return make_problem(self.fault, self.detail, headers=self.headers)


def make_problem(
    fault: Fault,
    detail: str,
    *,
    run_id: str | None = None,
    state: str | None = None,
    retry_after_seconds: float | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Response:
    """Build the answer for a fault, never above `MAX_PROBLEM_BYTES`: the detail is cut first."""
    kind: Kind = fault.value
    document: dict[str, object] = {
        "type": PREFIX + kind.code,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
    }
    if run_id is not None:
        document["run_id"] = run_id[:128]
    if state is not None:
        document["state"] = state[:128]
    if retry_after_seconds is not None:
        headers += (retry_header(retry_after_seconds),)
    return Response(kind.status, fit(document), CONTENT_TYPE, headers)


def retry_header(seconds: float) -> tuple[str, str]:
    """`Retry-After`: whole seconds, at least one."""
    return "Retry-After", str(max(1, -int(-seconds // 1)))


def fit(document: dict[str, object]) -> bytes:
    """Encode a problem, shortening its detail until the whole fits."""
    detail = str(document["detail"]).encode("utf-8", "replace").decode()
    room = len(detail)
    while True:
        document["detail"] = detail if room >= len(detail) else detail[: max(room, 0)] + "…"
        body = orjson.dumps(document)
        if len(body) <= MAX_PROBLEM_BYTES:
            return body
        if room <= 0:
            document.pop("state", None)
            document.pop("run_id", None)
        room = min(room, len(detail)) - max(1, (len(body) - MAX_PROBLEM_BYTES) // 6)
