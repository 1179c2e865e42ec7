"""A webhook request as an event."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import SourceContext

__all__ = ["make_event", "read_body"]

EVENT_TYPE = "io.intellyhub.webhook.request"
IDENTITIES = ("idempotency-key", "ce-id", "webhook-id", "x-github-delivery", "x-gitlab-event-uuid", "x-request-id")
"""Headers in which a sender names its delivery; a repetition has the same."""
SECRET_HEADERS = frozenset(
    (
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-gitlab-token",
        "x-telegram-bot-api-secret-token",
        "x-webhook-secret",
    )
)


def read_body(body: bytes, content_type: str) -> Any:
    """JSON and forms as values, everything else as text. Raises ValueError for JSON that is none."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return {name: values[0] if len(values) == 1 else values for name, values in parse_qs(body.decode()).items()}
    if kind.endswith("json"):
        return json.loads(body) if body else None
    return body.decode("utf-8", "replace")


def make_event(
    method: str, path: str, query: str, headers: Mapping[str, str], body: Any, address: str, context: SourceContext
) -> Event:
    """The event of an accepted request; headers that hold secrets are left out."""
    identity = next((headers[name] for name in IDENTITIES if headers.get(name)), None)
    shown = {name: value for name, value in headers.items() if name not in SECRET_HEADERS}
    return Event(
        id=identity or uuid.uuid4().hex,
        source=context.address,
        type=EVENT_TYPE,
        subject=path,
        time=datetime.fromtimestamp(context.now_ns() / 1e9, UTC).isoformat(),
        datacontenttype="application/json",
        data={
            "method": method,
            "headers": shown,
            "body": body,
            "payload": body,
            "ip": address,
            "path": path,
            "query": dict(parse_qsl(query)),
        },
    )
