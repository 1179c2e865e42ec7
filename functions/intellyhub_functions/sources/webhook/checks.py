"""From which addresses a webhook may be called."""

from __future__ import annotations

import ipaddress
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.sources.lists import texts_of

__all__ = ["Network", "is_allowed_address", "make_networks"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def make_networks(written: Any) -> tuple[Network, ...]:
    """The networks that may call; raises PermanentError for what is none. Empty is everyone."""
    try:
        return tuple(ipaddress.ip_network(text, strict=False) for text in texts_of(written) if text)
    except ValueError as fault:
        raise PermanentError(f"allowed_ips: {fault}") from fault


def is_allowed_address(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether a caller's address is in one of the networks; what is no address is in none."""
    if not networks:
        return True
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    plain = getattr(found, "ipv4_mapped", None) or found
    return any(plain in network for network in networks)
