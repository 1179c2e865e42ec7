"""Keeps the refresh token that a provider gives in the place of the one that a tenant has configured.

Some providers take each refresh token once (RFC 6749, section 6; RFC 9700, section 4.14): a process that forgot the
last one could not log in again. It is kept with the flow, sealed with the configured one: who reads the database and
has not the tenant's secret learns nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from intellyhub_engine.frozen import dataclass

__all__ = ["Keeping", "RefreshToken", "find_kept", "keep"]

NOT_SEALED = (
    "the token endpoint gave another refresh token; it is known to this process only, because `cryptography` is not"
    " installed (it comes with intellyhub-functions[mail])"
)


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """Where a flow or a listener keeps things durably."""

    read: Callable[[str], Any]
    write: Callable[[str, Any], None]
    log: Callable[[str, str], None]


class RefreshToken(NamedTuple):
    """A refresh token, and since when it is the last one, in Unix time; 0: it is the configured one."""

    token: str
    given_at: float = 0.0


def keep(token: RefreshToken, configured: str, place: str, keeping: Keeping) -> None:
    """Keep the token, unless it is kept already, or a later one of another process is."""
    if token.given_at > find_kept(configured, place, keeping).given_at:
        sealed = seal(json.dumps(token), configured)
        if sealed is None:
            keeping.log("warning", NOT_SEALED)
        else:
            keeping.write(place, sealed)


def find_kept(configured: str, place: str, keeping: Keeping) -> RefreshToken:
    """The token that is kept; the configured one where none is, or none that can be read."""
    sealed = keeping.read(place)
    opened = unseal(sealed, configured) if isinstance(sealed, str) else None
    return RefreshToken(*json.loads(opened)) if opened is not None else RefreshToken(configured)


def seal(text: str, secret: str) -> str | None:
    """The text, readable only with the secret; None where nothing can be sealed."""
    try:
        from cryptography.fernet import Fernet
    except ImportError:
        return None
    return Fernet(key_of(secret)).encrypt(text.encode()).decode()


def unseal(sealed: str, secret: str) -> str | None:
    """The text; None where it is not one that was sealed with this secret."""
    try:
        from cryptography.fernet import Fernet, InvalidToken
    except ImportError:
        return None
    try:
        return Fernet(key_of(secret)).decrypt(sealed).decode()
    except InvalidToken:
        return None


def key_of(secret: str) -> bytes:
    """Fernet's key. A refresh token is random enough to be one, but for its length."""
    return base64.urlsafe_b64encode(hashlib.sha256(b"refresh token of mail\0" + secret.encode()).digest())
