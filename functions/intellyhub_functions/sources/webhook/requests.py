"""A webhook request as an event."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from intellyhub_engine.events import Event
from intellyhub_engine.machine.hook import Received

__all__ = ["identity_of", "make_event", "read_body"]

EVENT_TYPE = "io.intellyhub.webhook.request"
MAX_FIELDS = 1000
MAX_ID_CHARACTERS = 256
IDENTITIES = ("idempotency-key", "ce-id", "webhook-id", "x-github-delivery", "x-gitlab-event-uuid", "x-request-id")
"""Headers in which a sender names its delivery; a repetition has the same."""
SECRET_HEADERS = frozenset(
    (
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-api-key",
        "x-gitlab-token",
        "x-telegram-bot-api-secret-token",
        "x-webhook-secret",
    )
)


def read_body(body: bytes, content_type: str) -> Any:
    """JSON and forms as values, everything else as text. Raises ValueError for JSON that is none."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        fields = parse_qs(body.decode(), max_num_fields=MAX_FIELDS)
        return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
    if kind.endswith("json"):
        return json.loads(body) if body else None
    return body.decode("utf-8", "replace")


def identity_of(headers: Mapping[str, str]) -> str | None:
    """The sender's own name for this delivery."""
    found = next((headers[name] for name in IDENTITIES if headers.get(name)), None)
    return found if found is None or len(found) <= MAX_ID_CHARACTERS else None


def make_event(received: Received, body: Any, *, identity: str | None, source: str, now_ns: int) -> Event:
    """The event of an accepted request; headers that hold secrets are left out."""
    return Event(
        id=identity or uuid.uuid4().hex,
        source=source,
        type=EVENT_TYPE,
        subject=received.path,
        time=datetime.fromtimestamp(now_ns / 1e9, UTC).isoformat(),
        datacontenttype="application/json",
        data={
            "method": received.method,
            "headers": {name: value for name, value in received.headers.items() if name not in SECRET_HEADERS},
            "body": body,
            "payload": body,
            "ip": received.address,
            "path": received.path,
            "query": dict(parse_qsl(received.query, max_num_fields=MAX_FIELDS)),
        },
    )
