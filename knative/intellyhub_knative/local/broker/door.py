"""The way into a flow: HTTP over its unix socket, a connection for each request. aiohttp's client is used here only.

A connection is not kept, so that the workers behind one socket share the work, and an idle one may exit.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from intellyhub_knative.local.broker.verdicts import Answer

__all__ = ["DoorClosed", "NoAnswer", "ask"]

MAX_ANSWER_BYTES = 16 << 20
CHUNK_BYTES = 64 << 10
CONNECT_SECONDS = 10.0
CLOSED = frozenset((errno.ENOENT, errno.ECONNREFUSED, errno.EAGAIN))
"""No socket, nobody holds it, or its queue is full (unix(7)): the request has not begun."""


class DoorClosed(Exception):
    """Nobody holds the socket at the moment; nothing was sent."""


class NoAnswer(Exception):
    """The request was sent, or begun, and no complete answer came."""


async def ask(
    path: Path, method: str, target: str, headers: Mapping[str, str], body: bytes, timeout_seconds: float
) -> Answer:
    """One request. Raises `DoorClosed` or `NoAnswer`."""
    connector = aiohttp.UnixConnector(path=str(path), force_close=True)
    timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=min(CONNECT_SECONDS, timeout_seconds))
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=timeout,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
            ) as session,
            session.request(
                method, f"http://flow{target}", data=body, headers=headers, allow_redirects=False
            ) as response,
        ):
            found = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, found, await read(response))
    except aiohttp.ClientConnectorError as fault:
        if fault.os_error.errno in CLOSED:
            raise DoorClosed(f"{fault.os_error.strerror or 'it is not there'} ({path.name})") from fault
        raise NoAnswer(f"the connection failed: {fault.os_error.strerror}") from fault
    except TimeoutError as fault:
        raise NoAnswer(f"no answer within {timeout_seconds:g} s") from fault
    except (aiohttp.ClientError, OSError, ValueError) as fault:
        raise NoAnswer(f"the connection broke: {str(fault) or type(fault).__name__}") from fault


async def read(response: aiohttp.ClientResponse) -> bytes:
    """The body, of bounded size."""
    pieces, size = [], 0
    async for piece in response.content.iter_chunked(CHUNK_BYTES):
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise NoAnswer(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        pieces.append(piece)
    return b"".join(pieces)
