"""Every secret of the platform's own, derived from one key, so that none but that one has to be kept."""

from __future__ import annotations

import base64
import hmac
import os
from enum import StrEnum
from pathlib import Path

from intellyhub_engine.errors import InputInvalid

__all__ = ["Keys", "Purpose", "load_keys"]

KEY_BYTES = 32


class Purpose(StrEnum):
    """What a derived key is for. `name` says for whom: a flow's `journal_name`, a tenant's id, or nothing."""

    CALLER = "caller"  # bearer token that a flow's workers accept: INTELLYHUB_WORKER_TOKENS
    DELIVERY = "delivery"  # signs the events a flow receives: INTELLYHUB_DELIVERY_SECRETS
    JOURNAL = "journal"  # lets a flow's workers use the journal for their own runs; "" is the platform's own processes
    SESSIONS = "sessions"  # signs access tokens (JWT)
    TICK = "tick"  # shows that a tick for a flow's source was ordered by the platform; `name` is the flow's id
    SEALING = "sealing"  # encrypts the secrets of tenants at rest


class Keys:
    """Derives keys. Never shown in a repr."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def derive(self, purpose: Purpose, name: str = "") -> bytes:
        """32 bytes, always the same for the same arguments."""
        return hmac.digest(self._key, f"intellyhub-v1\n{purpose.value}\n{name}".encode(), "sha256")

    def token(self, purpose: Purpose, name: str = "") -> str:
        """The derived key as text for headers: base64url without padding."""
        return base64.urlsafe_b64encode(self.derive(purpose, name)).rstrip(b"=").decode()


def load_keys(path: Path) -> Keys:
    """Read the platform's key; make it (0600, durable) where there is none. Raises `InputInvalid` if it is damaged."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return Keys(read_key(path))
    with os.fdopen(descriptor, "wb") as file:
        key = os.urandom(KEY_BYTES)
        file.write(base64.b64encode(key) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return Keys(key)


def read_key(path: Path) -> bytes:
    """The key in a file."""
    try:
        key = base64.b64decode(path.read_bytes(), validate=False)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InputInvalid(f"{path} does not hold a platform's key; restore it from a copy: sealed secrets need it")
    return key
