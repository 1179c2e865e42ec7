"""The gateway's server: who answers which path, how connections are kept within bounds, how it ends."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress

from aiohttp import web

from intellyhub_knative.platform.board import METRICS_TYPE
from intellyhub_knative.platform.gateway.connections import Port
from intellyhub_knative.platform.gateway.dead_letters import DeadLetters
from intellyhub_knative.platform.gateway.hooks import Hooks, Place
from intellyhub_knative.platform.gateway.ingress import Ingress, is_delivery
from intellyhub_knative.platform.gateway.problems import Fault, Refusal
from intellyhub_knative.platform.gateway.proxy import Proxy
from intellyhub_knative.platform.gateway.room import Room
from intellyhub_knative.platform.gateway.settings import Settings
from intellyhub_knative.platform.gateway.streams import Streams

__all__ = ["Gateway"]

PARTS = ("hooks", "events", "dead-letters")
MAX_LINE_BYTES = 8190
MAX_HEADERS = 100
LINGER_SECONDS = 1.0
BACKLOG = 4096
ENDING_SECONDS = 4.0
"""From being told to stop: what is in flight has so long, less a little, to end."""


class Gateway:
    """Serves one TCP socket."""

    def __init__(
        self,
        *,
        hooks: Hooks,
        ingress: Ingress,
        proxy: Proxy,
        streams: Streams,
        room: Room,
        settings: Settings,
        dead_letters: DeadLetters | None = None,
    ) -> None:
        self._hooks = hooks
        self._ingress = ingress
        self._dead_letters = dead_letters
        """On a cluster."""
        self._proxy = proxy
        self._streams = streams
        self._room = room
        self._settings = settings
        self._port: Port | None = None
        self.answers: Counter[tuple[str, int]] = Counter()
        """How often each part answered with each status."""

    async def serve(self, listening: socket.socket, stopping: asyncio.Event, tell_ready: Callable[[], None]) -> None:
        """Serve until told to stop; what is in flight then is answered, within bounds."""
        self._port = Port(
            self.answer,
            keepalive_timeout=self._settings.keep_alive_seconds,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            max_headers=MAX_HEADERS,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,
            access_log=None,
        )
        accepting = await asyncio.get_running_loop().create_server(self._port, sock=listening, backlog=BACKLOG)
        reaper = asyncio.create_task(self._port.end_silent_ones(self._settings.header_seconds))
        tell_ready()
        try:
            await stopping.wait()
        finally:
            accepting.close()
            reaper.cancel()
            self._streams.stop()
            self._hooks.stop_waiting(ENDING_SECONDS / 2)
            self._port.pre_shutdown()
            await self._port.shutdown(ENDING_SECONDS)
            with suppress(asyncio.CancelledError):
                await reaper

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        assert self._port is not None
        self._port.has_spoken(request.protocol)
        path, _, query = request.raw_path.partition("?")
        first = path.split("/", 2)[1] if path.count("/") > 1 else ""
        part = first if first in PARTS or first in self._hooks.tenants_hooks else "control"
        try:
            response = await self.route(request, part, path, query)
        except Refusal as refusal:
            response = refusal.make_response(brief=part == "dead-letters" or is_delivery(request))
        finally:
            self._room.leave(request)
        self.answers[part, response.status] += 1
        return response

    async def metrics(self) -> tuple[bytes, str]:
        """The page for whoever collects metrics."""
        return render(self.answers, self._port.open if self._port else 0), METRICS_TYPE

    async def route(self, request: web.BaseRequest, part: str, path: str, query: str) -> web.StreamResponse:
        """Hand the request to the part that answers its path. Raises `Refusal`."""
        if self._port is not None and self._port.open > self._settings.max_connections:
            raise Refusal(Fault.BUSY, "too many connections are open", retry_after_seconds=1, close=True)
        if part == "hooks":
            return await self._hooks.answer(request, make_place(path, query))
        if part in self._hooks.tenants_hooks:
            return await self._hooks.answer_tenant(request, part, make_tenants_place(part, path, query))
        if part == "events":
            return await self._ingress.answer(request, path.removeprefix("/events/").rstrip("/"))
        if part == "dead-letters" and self._dead_letters is not None:
            return await self._dead_letters.answer(request, path)
        return await self._proxy.answer(request)


def render(answers: Mapping[tuple[str, int], int], connections: int) -> bytes:
    """The counts in Prometheus' text format."""
    lines = ["# TYPE intellyhub_gateway_answers_total counter"]
    lines += [
        f'intellyhub_gateway_answers_total{{part="{part}",status="{status}"}} {count}'
        for (part, status), count in sorted(answers.items())
    ]
    lines += ["# TYPE intellyhub_gateway_connections gauge", f"intellyhub_gateway_connections {connections}"]
    return "\n".join([*lines, ""]).encode()


def make_place(path: str, query: str) -> Place:
    """`/hooks/{tenant}/{flow}[/{path}]` taken apart. Raises `Refusal`."""
    parts = path.split("/", 4)
    if len(parts) < 4 or not parts[2] or not parts[3]:
        raise Refusal(Fault.NOT_FOUND, "no hook is here")
    rest = "/" + (parts[4] if len(parts) > 4 else "")
    return Place(parts[2], parts[3], rest, query, f"/hooks/{parts[2]}/{parts[3]}")


def make_tenants_place(part: str, path: str, query: str) -> Place:
    """`/{part}/{tenant}[/{path}]` taken apart. Raises `Refusal`."""
    parts = path.split("/", 3)
    if not parts[2]:
        raise Refusal(Fault.NOT_FOUND, "no hook is here")
    return Place(parts[2], "", "/" + (parts[3] if len(parts) > 3 else ""), query, f"/{part}/{parts[2]}")
