"""Secrets of tenants at rest: sealed with the platform's key."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.keys import Keys, Purpose

__all__ = ["seal", "unseal"]


def seal(value: str, keys: Keys) -> str:
    """Encrypt and authenticate one value."""
    return make_fernet(keys).encrypt(value.encode()).decode()


def unseal(sealed: Mapping[str, str], keys: Keys) -> dict[str, str]:
    """The values by name. Raises `InputInvalid`, naming the secret, where the key is another one."""
    fernet = make_fernet(keys)
    opened = {}
    for name, token in sealed.items():
        try:
            opened[name] = fernet.decrypt(token).decode()
        except InvalidToken:
            raise InputInvalid(f"the secret {name!r} was sealed with another key; set it again") from None
    return opened


def make_fernet(keys: Keys) -> Fernet:
    """The cipher: AES-128-CBC with HMAC-SHA256 (https://github.com/fernet/spec)."""
    return Fernet(base64.urlsafe_b64encode(keys.derive(Purpose.SEALING)))
