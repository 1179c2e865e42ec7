"""What git servers tell when somebody pushed: whether it is theirs, and which branch it is of. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

__all__ = ["SIGNATURES", "branch_of", "is_theirs"]

TOKEN = "x-gitlab-token"  # noqa: S105 - a header's name
SIGNATURES = ("x-hub-signature-256", "x-intellyhub-signature", "x-gitea-signature")
"""Headers with an HMAC-SHA256 of the body in hexadecimal digits, `sha256=` before it or not: GitHub and Forgejo,
whoever writes a hook of their own, Gitea."""
HEADS = "refs/heads/"


def is_theirs(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether whoever sent it knows the secret: by a signature of the body, or by the secret itself (GitLab). Header
    names are in small letters."""
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    for name in SIGNATURES:
        if (shown := headers.get(name)) is not None:
            return hmac.compare_digest(shown.strip().lower().removeprefix("sha256=").encode(), wanted.encode())
    shown = headers.get(TOKEN)
    return shown is not None and hmac.compare_digest(shown.encode(), secret.encode())


def branch_of(body: bytes) -> str | None:
    """The branch that was pushed to; None where the message does not say: then it is looked."""
    try:
        reference = json.loads(body).get("ref")
    except (ValueError, AttributeError):
        return None
    if not isinstance(reference, str):
        return None
    return reference.removeprefix(HEADS) if reference.startswith(HEADS) else ""
