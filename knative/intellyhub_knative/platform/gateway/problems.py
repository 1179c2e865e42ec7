"""The faults the gateway itself answers with, as RFC 9457 problem documents. docs/events.md lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import orjson
from aiohttp import web

from intellyhub_engine.serving.problems import CONTENT_TYPE, MAX_PROBLEM_BYTES, PREFIX, Kind, retry_header
from intellyhub_engine.serving.problems import Fault as WorkerFault

__all__ = ["Fault", "Refusal"]


class Fault(Enum):
    """Every type of problem of the gateway. Codes that workers use too mean the same there."""

    BAD_REQUEST = WorkerFault.BAD_REQUEST.value
    BAD_EVENT = WorkerFault.BAD_EVENT.value
    BAD_BODY = WorkerFault.BAD_BODY.value
    UNAUTHENTICATED = WorkerFault.UNAUTHENTICATED.value
    FORBIDDEN = Kind("forbidden", 403, "The sender may not do this")
    NOT_FOUND = WorkerFault.NOT_FOUND.value
    METHOD_NOT_ALLOWED = WorkerFault.METHOD_NOT_ALLOWED.value
    NOT_ACCEPTABLE = Kind("not-acceptable", 406, "The answer's type is not one that the caller takes")
    TOO_SLOW = WorkerFault.TOO_SLOW.value
    TOO_LARGE = WorkerFault.TOO_LARGE.value
    UNSUPPORTED_TYPE = WorkerFault.UNSUPPORTED_TYPE.value
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
            self.headers |= (retry_header(retry_after_seconds),)
        super().__init__(detail)

    def make_response(self, *, brief: bool = False) -> web.Response:
        """The problem document; `brief` for a Broker, whose dispatcher dies of a larger one than it has room for."""
        kind: Kind = self.fault.value
        document: dict[str, Any] = {"type": PREFIX + kind.code, "title": kind.title, "status": kind.status}
        document["detail"] = self.detail
        if self.errors:
            document["errors"] = list(self.errors)
        body = orjson.dumps(document)
        if brief and len(body) > MAX_PROBLEM_BYTES:
            body = orjson.dumps({name: document[name] for name in ("type", "title", "status")})
        response = web.Response(status=kind.status, body=body, content_type=CONTENT_TYPE, headers=self.headers)
        if self.close:
            response.force_close()
        return response
