"""The faults the gateway itself answers with, as RFC 9457 problem documents. docs/events.md lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import orjson
from aiohttp import web

__all__ = ["Fault", "Refusal"]

PREFIX = "urn:intellyhub:problem:"
CONTENT_TYPE = "application/problem+json"


class Kind(NamedTuple):
    """What every problem of one type has in common."""

    code: str
    status: int
    title: str


class Fault(Enum):
    """Every type of problem of the gateway. Codes that workers use too mean the same there."""

    BAD_REQUEST = Kind("bad-request", 400, "The request cannot be understood")
    BAD_EVENT = Kind("bad-event", 400, "The request is not a valid CloudEvent")
    BAD_BODY = Kind("bad-body", 400, "The body cannot be read")
    UNAUTHENTICATED = Kind("unauthenticated", 401, "The request does not show who sends it")
    FORBIDDEN = Kind("forbidden", 403, "The sender may not do this")
    NOT_FOUND = Kind("not-found", 404, "There is nothing here")
    METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "This method is not offered here")
    TOO_SLOW = Kind("too-slow", 408, "The request did not arrive in time")
    TOO_LARGE = Kind("too-large", 413, "The body is too large")
    UNSUPPORTED_TYPE = Kind("unsupported-type", 415, "The body's type is not supported")
    TOO_MANY = Kind("too-many", 429, "Too many events at once")
    LISTENER_FAULTY = Kind("listener-faulty", 503, "The flow's listener cannot be used now")
    JOURNAL_UNAVAILABLE = Kind("journal-unavailable", 503, "The event cannot be stored now")
    CONTROL_UNAVAILABLE = Kind("control-unavailable", 503, "The control plane is not there now")
    BUSY = Kind("busy", 503, "The platform is busy")
    DISK_FULL = Kind("disk-full", 507, "There is no room for the event")


class Refusal(Exception):
    """The request is answered with a problem."""

    def __init__(
        self,
        fault: Fault,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        retry_after_seconds: float | None = None,
        close: bool = False,
    ) -> None:
        self.fault = fault
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = errors
        self.close = close
        """The connection ends with the answer: something of the request was left unread."""
        if retry_after_seconds is not None:
            self.headers["Retry-After"] = str(max(1, -int(-retry_after_seconds // 1)))
        super().__init__(detail)

    def make_response(self) -> web.Response:
        """The problem document."""
        kind: Kind = self.fault.value
        document: dict[str, Any] = {"type": PREFIX + kind.code, "title": kind.title, "status": kind.status}
        document["detail"] = self.detail
        if self.errors:
            document["errors"] = list(self.errors)
        response = web.Response(
            status=kind.status, body=orjson.dumps(document), content_type=CONTENT_TYPE, headers=self.headers
        )
        if self.close:
            response.force_close()
        return response
