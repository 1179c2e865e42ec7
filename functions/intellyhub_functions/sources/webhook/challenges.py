"""What senders ask when a hook is entered at them: a text that has to come back. No event follows."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

__all__ = ["answer_challenge", "answer_subscription"]

MAX_CHARACTERS = 1024
MAX_FIELDS = 100


def answer_challenge(body: Any) -> str | None:
    """Slack's `url_verification` (https://docs.slack.dev/reference/events/url_verification)."""
    if not isinstance(body, Mapping) or body.get("type") != "url_verification":
        return None
    challenge = body.get("challenge")
    return challenge[:MAX_CHARACTERS] if isinstance(challenge, str) else None


def answer_subscription(query: str, secret: str) -> str | None:
    """Meta's `hub.challenge`, for who knows the secret as `hub.verify_token`
    (https://developers.facebook.com/docs/graph-api/webhooks/getting-started)."""
    try:
        fields = parse_qs(query, max_num_fields=MAX_FIELDS)
    except ValueError:
        return None
    given = fields.get("hub.verify_token", [""])[0].encode("utf-8", "replace")
    if fields.get("hub.mode") != ["subscribe"] or not hmac.compare_digest(given, secret.encode()):
        return None
    return fields.get("hub.challenge", [""])[0][:MAX_CHARACTERS]
