"""Whether a caller may make events: its address, its secret or its signature."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of

__all__ = ["is_allowed_address", "is_authentic", "make_networks"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SIGNATURES = ("x-hub-signature-256", "x-signature-256", "x-signature")
SECRETS = ("x-webhook-secret", "x-gitlab-token", "x-telegram-bot-api-secret-token")


def make_networks(written: Any) -> tuple[Network, ...]:
    """The networks that may call; raises PermanentError for what is none. Empty is everyone."""
    parts = written.split(",") if isinstance(written, str) else written or ()
    try:
        return tuple(
            ipaddress.ip_network(text_of(part).strip(), strict=False) for part in parts if text_of(part).strip()
        )
    except ValueError as fault:
        raise PermanentError(f"allowed_ips: {fault}") from fault


def is_allowed_address(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether a caller's address is in one of the networks."""
    found = ipaddress.ip_address(address.partition("%")[0])
    plain = getattr(found, "ipv4_mapped", None) or found
    return not networks or any(plain in network for network in networks)


def is_authentic(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether the request shows the secret or is signed with it. Header names are lower-case."""
    shown = [headers.get(name, "") for name in SECRETS]
    shown.append(headers.get("authorization", "").removeprefix("Bearer "))
    if any(hmac.compare_digest(value.encode(), secret.encode()) for value in shown):
        return True
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    signatures = [headers.get(name, "").removeprefix("sha256=") for name in SIGNATURES]
    return any(hmac.compare_digest(signature.encode(), wanted.encode()) for signature in signatures)
