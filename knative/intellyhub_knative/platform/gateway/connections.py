"""The connections of the port: counted, and ended where they say nothing."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

__all__ = ["Port"]

LOOKS = 10
"""How often a connection's silence is looked at within the time it has."""
LEAST_LOOK_SECONDS = 0.05


class Arrival(web.BaseRequest):
    """A request whose answer does not tell which software wrote it."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)


class Port(web.Server):
    """aiohttp's server, which has neither a bound on connections nor a time for a first request's head."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, request_factory=self.make_request, **options)
        self.open = 0
        """Connections at this moment."""
        self._silent: dict[RequestHandler, float] = {}

    def make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> Arrival:
        """What the handler gets."""
        return Arrival(message, payload, protocol, writer, task, asyncio.get_running_loop())

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        self.open += 1
        self._silent[handler] = time.monotonic()
        super().connection_made(handler, transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        self.open -= 1
        self._silent.pop(handler, None)
        super().connection_lost(handler, exc)

    def has_spoken(self, handler: RequestHandler) -> None:
        """Its first request is there; from now on the time for an idle connection counts."""
        self._silent.pop(handler, None)

    async def end_silent_ones(self, seconds: float) -> None:
        """End connections that have not said within `seconds` what they want. Until cancelled."""
        while True:
            await asyncio.sleep(max(LEAST_LOOK_SECONDS, seconds / LOOKS))
            latest = time.monotonic() - seconds
            for handler in [handler for handler, since in self._silent.items() if since < latest]:
                del self._silent[handler]
                handler.force_close()
