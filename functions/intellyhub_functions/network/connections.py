"""Pooled HTTP connections that refuse forbidden addresses before a byte is sent.

The check reads the address that the connection really has, so neither a host name that resolves to an inner address
nor one that changes its mind between look-up and connection gets through.
"""

from __future__ import annotations

import functools
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from intellyhub_functions.network.reach import is_allowed
from intellyhub_functions.settings import Reach, settings

__all__ = ["AddressRefused", "breaker", "pool"]

POOLED_HOSTS = 32
POOLED_CONNECTIONS = 8
"""Idle connections kept per host; more may be open at once."""

LOCK = threading.Lock()


class AddressRefused(Exception):
    """The host's address is one that flows may not connect to. Not an OSError: urllib3 must not translate it."""

    def __init__(self, host: str, address: str, reach: Reach) -> None:
        self.host = host
        self.address = address
        self.reach = reach
        named = "" if host.strip("[]") == address else f"{address}, "
        super().__init__(f"{host} is {named}an address that flows may not connect to (INTELLYHUB_NETWORK={reach})")


def refuse_forbidden(host: str, connection: socket.socket) -> socket.socket:
    """Give the connection back, or close it and raise AddressRefused."""
    address = connection.getpeername()[0]
    reach = settings().reach
    if not is_allowed(address, reach):
        connection.close()
        raise AddressRefused(host, address, reach)
    return connection


class InUse(threading.local):
    """The socket that a thread's exchange goes over. The connection itself forgets it where the answer says that it
    will be the last one."""

    socket: Any = None


IN_USE = InUse()


class Guarded:
    """Connects to allowed addresses only, and notes the thread's socket."""

    host: str
    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # of urllib3's connection, which stands behind this class
        IN_USE.socket = self.sock

    def _new_conn(self) -> socket.socket:
        return refuse_forbidden(self.host, super()._new_conn())  # type: ignore[misc]


class GuardedConnection(Guarded, HTTPConnection):
    """http:// to allowed addresses."""


class GuardedSecureConnection(Guarded, HTTPSConnection):
    """https:// to allowed addresses."""


class Noting:
    """A pool that notes the socket of a connection that is taken from it, where it is open."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]  # of urllib3's pool, behind this class
        IN_USE.socket = connection.sock
        return connection


class GuardedPool(Noting, urllib3.HTTPConnectionPool):
    """Of connections to one http:// server."""

    ConnectionCls: ClassVar[Any] = GuardedConnection  # type: ignore[misc]


class GuardedSecurePool(Noting, urllib3.HTTPSConnectionPool):
    """Of connections to one https:// server."""

    ConnectionCls: ClassVar[Any] = GuardedSecureConnection  # type: ignore[misc]


def pool(*, verify_tls: bool) -> urllib3.PoolManager:
    """The process's pool; thread-safe. One more for connections whose certificate is not verified."""
    with LOCK:
        return make_pool(verify_tls)


def breaker() -> Callable[[], None]:
    """What breaks off, from another thread, the exchange that this thread is in: its read ends at once."""
    mine = IN_USE.__dict__  # a thread's own values are seen by that thread alone, but for this

    def break_off() -> None:
        found = mine.get("socket")
        if found is not None:
            with suppress(OSError):  # it may have ended by itself
                found.shutdown(socket.SHUT_RDWR)

    return break_off


@functools.cache
def make_pool(verify_tls: bool) -> urllib3.PoolManager:
    """Make a pool manager whose connections are guarded."""
    manager = urllib3.PoolManager(
        POOLED_HOSTS,
        maxsize=POOLED_CONNECTIONS,
        retries=False,
        cert_reqs="CERT_REQUIRED" if verify_tls else "CERT_NONE",
        assert_hostname=None if verify_tls else False,
    )
    manager.pool_classes_by_scheme = {"http": GuardedPool, "https": GuardedSecurePool}
    return manager
