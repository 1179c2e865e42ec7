"""Everything else: passed on to the control plane, streaming both ways, patient while it is being restarted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from intellyhub_knative.platform.gateway.arrivals import forward_headers, go_on, pass_on
from intellyhub_knative.platform.gateway.problems import Fault, Refusal
from intellyhub_knative.platform.gateway.room import Room
from intellyhub_knative.platform.gateway.settings import Settings
from intellyhub_knative.platform.gateway.streams import STREAM, Streams
from intellyhub_knative.platform.outgoing import make_connector, open_session

__all__ = ["Proxy"]

LOG = logging.getLogger(__name__)
IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))
"""RFC 9110, section 9.2.2: sent again when the connection broke, since twice does the same as once."""
SAFE = frozenset(("GET", "HEAD"))
IDLE_SECONDS = 20.0
"""How long a connection is kept for the next question; the control plane keeps it longer."""
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5
SILENCE_SECONDS = 330.0
"""How long the control plane may say nothing: longer than it lets a caller wait for a run."""
HELD_BYTES = 1 << 20
"""A body up to this size is held, so that it can be sent again."""
WHOLE_BYTES = 1 << 16
"""An answer up to this size is passed on in one piece."""


class Proxy:
    """The way to the control plane."""

    def __init__(self, *, control: Path | str, streams: Streams, settings: Settings, room: Room) -> None:
        self._streams = streams
        self._settings = settings
        self._room = room
        # An idle connection may be closed by the other side just when it is used: only what can be sent again uses one.
        self._base = control if isinstance(control, str) else "http://control"
        self._kept = open_session(connect(control, keepalive_timeout=IDLE_SECONDS), silence_seconds=SILENCE_SECONDS)
        self._single = open_session(connect(control, force_close=True), silence_seconds=SILENCE_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        await self._kept.close()
        await self._single.close()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The control plane's answer, or the stream that it asks for. Raises `Refusal`."""
        if not request.raw_path.startswith("/"):
            raise Refusal(Fault.BAD_REQUEST, "the request names no path")
        held, rest = await read_ahead(request, self._settings.body_seconds, self._room)
        response = await self.send(request, held, rest)
        try:
            topic = response.headers.get(STREAM)
            if topic is not None and response.status == 200:
                return await self._streams.answer(request, topic, pass_on(response.headers))
            return await self.pass_back(request, response)
        finally:
            response.release()

    async def send(
        self, request: web.BaseRequest, held: bytes, rest: AsyncIterator[bytes] | None
    ) -> aiohttp.ClientResponse:
        """Send until there is an answer, or the patience ends."""
        headers = forward_headers(request, self._settings.trusted_proxies)
        if rest is None:
            headers.popall("Content-Length", None)
        session = self._kept if rest is None and request.method in SAFE else self._single
        url = URL(self._base + request.raw_path, encoded=True)
        ends, pause = time.monotonic() + self._settings.control_seconds, FIRST_PAUSE_SECONDS
        while True:
            body = held or None if rest is None else chain(held, rest)
            try:
                return await session.request(request.method, url, headers=headers, data=body, allow_redirects=False)
            except (aiohttp.ClientError, TimeoutError, OSError) as fault:
                again = rest is None and may_be_sent_again(request.method, fault)
                if not again or time.monotonic() > ends:
                    LOG.warning("the control plane did not answer %s: %r", request.method, fault)
                    raise unavailable() from fault
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def pass_back(self, request: web.BaseRequest, response: aiohttp.ClientResponse) -> web.StreamResponse:
        """Give the answer to the client, as it comes."""
        headers = pass_on(response.headers)
        length = response.content_length
        if request.method != "HEAD" and length is not None and length <= WHOLE_BYTES:
            try:
                body = await response.read()
            except aiohttp.ClientError as fault:
                raise unavailable() from fault
            headers.popall("Content-Length", None)
            return web.Response(status=response.status, reason=response.reason, headers=headers, body=body or None)
        passed = web.StreamResponse(status=response.status, reason=response.reason, headers=headers)
        await passed.prepare(request)
        try:
            async for chunk in response.content.iter_any():
                await passed.write(chunk)
            await passed.write_eof()
        except (aiohttp.ClientError, TimeoutError) as fault:
            LOG.warning("the control plane broke off an answer: %r", fault)
            cut_off(request)
        except ConnectionError:
            pass  # the client went away
        return passed


def connect(control: Path | str, **options: Any) -> aiohttp.BaseConnector:
    """Connections to a unix socket (a path), or to an address (`http://api.intellyhub.svc.cluster.local`)."""
    if isinstance(control, Path):
        return aiohttp.UnixConnector(str(control), limit=0, **options)
    return make_connector(**options)


async def read_ahead(request: web.BaseRequest, seconds: float, room: Room) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """A small body, whole; of a large one its beginning, and what brings the rest."""
    if not request.can_read_body:
        return b"", None
    if not request.content.is_eof():
        await go_on(request)
    held = bytearray()
    chunks = request.content.iter_any()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in chunks:
                room.take(request, len(chunk))
                held += chunk
                if len(held) > HELD_BYTES:
                    return bytes(held), chunks
    except TimeoutError:
        raise Refusal(Fault.TOO_SLOW, f"the body took longer than {seconds:g} seconds", close=True) from None
    except (web.RequestPayloadError, ConnectionError) as fault:
        raise Refusal(Fault.BAD_BODY, "the body is not complete", close=True) from fault
    return bytes(held), None


async def chain(held: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A body's beginning, then the rest."""
    yield held
    async for chunk in rest:
        yield chunk


def may_be_sent_again(method: str, fault: Exception) -> bool:
    """Whether a request that failed may be repeated: it was not even sent, or twice does the same as once. One that
    got no answer in all that time would get none again."""
    if isinstance(fault, aiohttp.ClientConnectorError):
        return True
    return method in IDEMPOTENT and not isinstance(fault, TimeoutError)


def cut_off(request: web.BaseRequest) -> None:
    """End the connection at once, so that the client knows that the answer is not complete."""
    if request.transport is not None:
        request.transport.abort()


def unavailable() -> Refusal:
    """503."""
    return Refusal(
        Fault.CONTROL_UNAVAILABLE, "it is being restarted, or very busy; try again", retry_after_seconds=2, close=True
    )
