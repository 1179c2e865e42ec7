"""What a process of the platform shows of itself: a few pages on its own unix socket."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import orjson
from aiohttp import web

__all__ = ["METRICS_TYPE", "json_page", "serve", "until_told"]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METRICS = "/metrics"
Page = Callable[[], Awaitable[tuple[bytes, str]]]
"""Gives a body and its content type."""


@asynccontextmanager
async def serve(
    listening: socket.socket, pages: Mapping[str, Page], also: socket.socket | None = None
) -> AsyncIterator[None]:
    """Serve GET pages by path, and `/healthz`, while the context lasts; on a second socket `also`, which a cluster can
    reach, only those that tell nothing about tenants: `/healthz` and `/metrics`."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(show(listening, pages))
        if also is not None:
            await stack.enter_async_context(show(also, {path: pages[path] for path in pages if path == METRICS}))
        yield


@asynccontextmanager
async def show(listening: socket.socket, pages: Mapping[str, Page]) -> AsyncIterator[None]:
    """Serve pages on one socket."""
    application = web.Application()
    application.router.add_get("/healthz", healthy)
    for path, page in pages.items():
        application.router.add_get(path, make_handler(page))
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield
    finally:
        await runner.cleanup()


def json_page(make: Callable[[], Awaitable[object]]) -> Page:
    """A page that shows a value as JSON."""

    async def page() -> tuple[bytes, str]:
        return orjson.dumps(await make()), "application/json"

    return page


async def until_told(*tasks: asyncio.Task[None]) -> None:
    """Returns at SIGTERM or SIGINT, or raises what one of the tasks raised."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    told = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait({told, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {told}:
            task.result()
    finally:
        told.cancel()


def make_handler(page: Page) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        body, content_type = await page()
        return web.Response(body=body, headers={"Content-Type": content_type})

    return handle


async def healthy(request: web.Request) -> web.Response:
    """The process answers."""
    return web.json_response({"status": "ok"})
