"""HTTP to flows and to the other processes of the platform, over unix sockets on one machine, by name on a cluster. A
connection for each request, so that the workers behind one socket share the work, and an idle one may exit."""

from __future__ import annotations

import http.client
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from intellyhub_control_plane.errors import Unreachable

__all__ = ["DoorAnswer", "Named", "Place", "ask"]

CONNECT_SECONDS = 5.0
PAUSE_SECONDS = 0.05
MAX_ANSWER_BYTES = 32 << 20


class Named(NamedTuple):
    """A name of the cluster, asked for at its gateway by a process that is outside and cannot resolve it."""

    url: str
    """`http://host`."""
    gateway: tuple[str, int]


Place = Path | str | Named
"""A unix socket, or `http://host:port`."""


class DoorAnswer(NamedTuple):
    """What the other side said. Header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


class UnixConnection(http.client.HTTPConnection):
    """A connection to a unix socket."""

    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self.path = path

    def connect(self) -> None:
        """Waits no longer than the whole request may take."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self.path))


def connect_to(place: Place, timeout_seconds: float) -> http.client.HTTPConnection:
    """A connection that is not open yet."""
    if isinstance(place, Path):
        return UnixConnection(place, timeout_seconds)
    if isinstance(place, Named):
        return http.client.HTTPConnection(*place.gateway, timeout=timeout_seconds)
    parts = urlsplit(place)
    return http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout_seconds)


def ask(
    part: str,
    place: Place,
    method: str,
    target: str,
    *,
    document: object = None,
    headers: Mapping[str, str] | None = None,
    timeout_seconds: float = 10.0,
    patience_seconds: float = 0.0,
) -> DoorAnswer:
    """One request. While nobody listens, which is before anything was sent, it is tried for `patience_seconds`. Raises
    `Unreachable`, naming `part`."""
    body = None if document is None else orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)
    sent = {"Connection": "close", **({"Content-Type": "application/json"} if body else {}), **(headers or {})}
    if isinstance(place, Named):
        sent["Host"] = urlsplit(place.url).netloc
    deadline = time.monotonic() + patience_seconds
    connection = connect_to(place, timeout_seconds)
    try:
        while not knock(connection, part):
            if time.monotonic() >= deadline:
                raise Unreachable(part, "nobody listens there")
            time.sleep(PAUSE_SECONDS)
        connection.request(method, target, body=body, headers=sent)
        response = connection.getresponse()
        content = response.read(MAX_ANSWER_BYTES)
        return DoorAnswer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)
    except TimeoutError as fault:
        raise Unreachable(part, f"no answer within {timeout_seconds:g} seconds") from fault
    except (OSError, http.client.HTTPException) as fault:
        raise Unreachable(part, f"the connection broke ({type(fault).__name__})") from fault
    finally:
        connection.close()


def knock(connection: http.client.HTTPConnection, part: str) -> bool:
    """Connect; False while the socket is not there or refuses."""
    try:
        connection.connect()
    except (FileNotFoundError, ConnectionRefusedError, BlockingIOError, socket.gaierror):
        connection.close()
        return False
    except TimeoutError as fault:
        raise Unreachable(part, "its queue is full") from fault
    return True
