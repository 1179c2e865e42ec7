"""Opens connections of protocols other than HTTP, to allowed addresses only."""

from __future__ import annotations

import contextlib
import socket

from intellyhub_engine.errors import PermanentError

__all__ = ["connect"]

PROBES = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""The system finds a machine that is gone within two minutes; one whose server hangs, it does not."""


def connect(host: str, port: int, seconds: float) -> socket.socket:
    """A connection whose every wait ends after `seconds`. Raises PermanentError where flows may not go; OSError."""
    from intellyhub_functions.network.connections import AddressRefused, refuse_forbidden

    try:
        connection = refuse_forbidden(host, socket.create_connection((host, port), seconds))
    except AddressRefused as fault:
        raise PermanentError(str(fault)) from fault
    except UnicodeError as fault:  # a name with an empty part, or too long for one
        raise PermanentError(f"{host[:80]!r} is no host name") from fault
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in PROBES:
        with contextlib.suppress(AttributeError):  # macOS has not all of them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection
