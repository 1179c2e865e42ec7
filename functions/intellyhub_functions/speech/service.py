"""Asks a speech service over HTTP; what it refuses is told in its own words, never with a key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, Response, send

__all__ = ["Service", "ServiceBusy", "ServiceRefused", "status_of"]

PASSING = frozenset((408, 425, 429))
"""With those from 500 on, the statuses that say nothing about the request itself."""
MAX_WORDS_CHARACTERS = 300


class ServiceRefused(PermanentError):
    """The service refused for good, with `status`."""

    def __init__(self, message: str, *, status: int) -> None:
        self.status = status
        super().__init__(message)


class ServiceBusy(RetryableError):
    """The service may accept the same later; it answered `status`."""

    def __init__(self, message: str, *, status: int, retry_after_seconds: float | None) -> None:
        self.status = status
        super().__init__(message, retry_after_seconds=retry_after_seconds)


def status_of(failure: BaseException) -> int | None:
    """The status a service answered, where it was an answer that made the step fail."""
    return failure.status if isinstance(failure, ServiceBusy | ServiceRefused) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """One service, as one step sees it."""

    name: str
    url: str
    step: Step = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What says who asks."""
    key: str = field(default="", repr=False)
    timeout_seconds: float = 60.0

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = "application/json",
        query: Mapping[str, Any] | None = None,
        max_body_bytes: int = 16 * 1024 * 1024,
    ) -> Response:
        """Send a body (bytes, or a value sent as JSON); give the answer. Raises ServiceRefused, ServiceBusy or what
        `send` raises."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        headers = dict(self.headers)
        if body is not None:
            headers |= {"content-type": content_type, "idempotency-key": self.step.idempotency_key}
            body = body if isinstance(body, bytes) else json.dumps(body, default=text_of).encode()
        response = send(
            Request(
                method=method,
                url=f"{self.url}{path}{'?' if given else ''}{urlencode(given)}",
                headers=headers,
                body=body,
                timeout_seconds=self.timeout_seconds,
                deadline_seconds=self.step.timeout_seconds,
                cancelled=self.step.cancelled,
                max_redirects=0,
                max_body_bytes=max_body_bytes,
            )
        )
        if 200 <= response.status < 300:
            return response
        raise self._make_failure(response)

    def read_json(self, response: Response) -> dict[str, Any]:
        """The object that an answer holds."""
        try:
            found = json.loads(response.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise PermanentError(f"{self.name} gave an answer that is not the JSON object it should be")
        return found

    def _make_failure(self, response: Response) -> ServiceRefused | ServiceBusy:
        code, words = read_words(response)
        words = words.replace(self.key, "***") if self.key else words
        message = f"{self.name} answered {response.status}{f': {words}' if words else ''}"
        passing = response.status in PASSING or response.status >= 500
        if passing and code not in ("insufficient_quota", "quota_exceeded"):
            return ServiceBusy(message, status=response.status, retry_after_seconds=retry_after(response))
        return ServiceRefused(message, status=response.status)


def read_words(response: Response) -> tuple[str, str]:
    """The code and the words of a refusal: OpenAI's `{error: {code, message}}`, ElevenLabs' `{detail: {status,
    message}}`, FastAPI's `{detail: [{loc, msg}]}`, or a plain text."""
    try:
        found = json.loads(response.body)
    except (ValueError, RecursionError):
        found = response.body.decode("utf-8", "replace") if len(response.body) < 4096 else ""
    if isinstance(found, dict):
        found = found.get("error") or found.get("detail") or found.get("message") or ""
    if isinstance(found, list):
        found = "; ".join(describe_fault(fault) for fault in found[:5])
    code = ""
    if isinstance(found, dict):
        code = text_of(found.get("code") or found.get("status") or "")
        words = text_of(found.get("message") or "")
        found = f"{words} ({code})" if code and words else words or code
    return code, " ".join(text_of(found).split())[:MAX_WORDS_CHARACTERS]


def describe_fault(fault: Any) -> str:
    """One fault of a request that was not understood: where, and what."""
    if not isinstance(fault, dict):
        return text_of(fault)
    place = fault.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else ""
    return f"{where}: {text_of(fault.get('msg'))}".strip(": ")
