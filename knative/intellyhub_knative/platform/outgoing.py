"""HTTP requests to what answers within a cluster: flows, Brokers, the control plane."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple

import aiohttp

from intellyhub_knative.platform.flow_answer import Answer
from intellyhub_knative.platform.flow_socket import NoAnswer, NobodyThere, TooLate, check_headers

__all__ = ["Outgoing", "fetch", "make_connector", "open_session"]

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 15.0
"""How long a connection is kept for the next request: less than any gateway or server keeps it."""
NAME_SECONDS = 10
"""How long a resolved name is believed."""
KEEP_ALIVE_SECONDS, KEEP_ALIVE_PROBES = 15, 4
"""Of TCP: a peer whose machine is gone is noticed within about a minute, however long its answer takes."""
OWN = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that the client library would add."""


class Outgoing(NamedTuple):
    """A request."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes = b""


def make_connector(**options: Any) -> aiohttp.TCPConnector:
    """Connections that are kept, in any number: whoever asks counts what it has under way."""
    kept = {} if options.get("force_close") else {"keepalive_timeout": IDLE_SECONDS}
    return aiohttp.TCPConnector(limit=0, ttl_dns_cache=NAME_SECONDS, socket_factory=make_socket, **(kept | options))


def open_session(
    connector: aiohttp.BaseConnector | None = None, *, silence_seconds: float | None = None
) -> aiohttp.ClientSession:
    """A client that adds nothing to what it sends, changes nothing of what it gets and follows nothing. Within an event
    loop. `silence_seconds`: how long the other side may say nothing; None is for ever."""
    return aiohttp.ClientSession(
        connector=connector or make_connector(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence_seconds),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=OWN,
        trust_env=False,
    )


def make_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices when the other machine is gone."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", KEEP_ALIVE_SECONDS), ("TCP_KEEPINTVL", KEEP_ALIVE_SECONDS)):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if hasattr(socket, "TCP_KEEPCNT"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEP_ALIVE_PROBES)
    return made


async def fetch(
    session: aiohttp.ClientSession,
    url: str,
    request: Outgoing,
    *,
    timeout_seconds: float | None,
    max_bytes: int,
) -> Answer:
    """One request and its answer, whole. Raises `NobodyThere` or `NoAnswer`; `ValueError` for what no header can carry.
    A kept connection may be closed by the other side just when it is used: the request is then sent once more, which is
    safe for events and for what names a run."""
    check_headers(request.headers)
    try:
        async with asyncio.timeout(timeout_seconds):
            try:
                return await fetch_once(session, url, request, max_bytes)
            except aiohttp.ServerDisconnectedError:
                return await fetch_once(session, url, request, max_bytes)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as fault:
        raise NobodyThere(f"no connection: {fault}") from fault
    except TimeoutError as fault:
        raise TooLate(f"no answer within {timeout_seconds or 0:g} s") from fault
    except (aiohttp.ClientError, OSError) as fault:
        raise NoAnswer(f"the connection broke: {str(fault) or type(fault).__name__}") from fault


async def fetch_once(session: aiohttp.ClientSession, url: str, request: Outgoing, max_bytes: int) -> Answer:
    """One exchange. Raises what aiohttp raises."""
    async with session.request(
        request.method, url, headers=list(request.headers), data=request.body, allow_redirects=False
    ) as response:
        body = await read(response, max_bytes)
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, body)


async def read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """A body within bounds. Raises `NoAnswer` for a larger one."""
    received = bytearray()
    async for chunk in response.content.iter_any():
        received += chunk
        if len(received) > max_bytes:
            response.close()
            raise NoAnswer(f"the answer is larger than {max_bytes} bytes")
    return bytes(received)
