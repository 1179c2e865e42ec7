"""Finds a database server's addresses and refuses those that flows may not connect to, before a driver does connect."""

from __future__ import annotations

import socket

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.network.connections import AddressRefused
from intellyhub_functions.network.reach import is_allowed
from intellyhub_functions.settings import settings

__all__ = ["check_host", "find_addresses"]


def check_host(host: str) -> None:
    """Raise PermanentError for a socket of this machine: who speaks there may be known by whose process it is, and that
    is the platform's."""
    if not host or set(host) & set("/%@"):
        raise PermanentError("the database's address names no host; sockets of this machine are not for flows")


def find_addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, each allowed. Raises PermanentError; RetryableError where the name is not known now."""
    check_host(host)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        raise RetryableError(f"{host}: the host name cannot be resolved") from fault
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    reach = settings().reach
    for address in addresses:
        if not is_allowed(address, reach):
            raise PermanentError(str(AddressRefused(host, address, reach)))
    return addresses
