"""Hands emitted events to the sink: the platform's ingress, which stores an event before it acknowledges it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from urllib.parse import urlsplit

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.serving.cloudevents import encode_data, make_headers

__all__ = ["Sink"]

PAUSES_SECONDS = (0.1, 0.5)
"""Before the second and the third attempt; beyond that it is the state's `retry`, and then the broker's redelivery."""

RETRYABLE = frozenset((404, 408, 409, 425, 429, 500, 502, 503, 504, 507))
REFUSED = (401, 403)


@dataclass(frozen=True, kw_only=True)
class Sink:
    """Where emitted events go."""

    url: str
    timeout_seconds: float
    sign: Callable[[Event, bytes], Event]
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Extensions every event gets (`K_CE_OVERRIDES`): nobody else adds them."""
    token: Callable[[], str] | None = None
    """What is shown as a bearer; asked for at each attempt. A refusal of it may pass: tokens are renewed."""

    def send(self, event: Event) -> None:
        """Post one event in binary mode; returns when it was accepted. Raises `RetryableError` after three attempts."""
        if self.overrides:
            event = replace(event, extensions={**event.extensions, **self.overrides})
        body, content_type = encode_data(event)
        headers = dict(make_headers(self.sign(event, body)))
        if content_type is not None:
            headers["Content-Type"] = content_type
        for pause in (*PAUSES_SECONDS, None):
            fault = self.attempt(headers, body)
            if fault is None:
                return
            if pause is None:
                raise RetryableError(f"the event {event.id} was not taken by its sink: {fault}")
            time.sleep(pause)

    def attempt(self, headers: Mapping[str, str], body: bytes) -> str | None:
        """One POST: None when it was taken, else why not. Raises `PermanentError` for a final refusal."""
        from http.client import HTTPConnection, HTTPException, HTTPSConnection

        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.netloc, timeout=self.timeout_seconds)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            shown = {"Authorization": f"Bearer {self.token()}"} if self.token is not None else {}
            connection.request("POST", target, body, {**headers, **shown})
            status = connection.getresponse().status
        except (OSError, HTTPException) as fault:
            return str(fault) or type(fault).__name__
        finally:
            connection.close()
        if 200 <= status < 300:
            return None
        if status in RETRYABLE or (self.token is not None and status in REFUSED):
            return f"it answered {status}"
        raise PermanentError(f"the sink refused the event: {status}")
