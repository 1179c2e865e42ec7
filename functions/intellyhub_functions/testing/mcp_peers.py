"""The official MCP SDK at the other end: a client that talks to our servers, a server that our client talks to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

__all__ = ["serve_app", "talk"]

Result = TypeVar("Result")


def talk(url: str, work: Callable[[Any], Awaitable[Result]], *, token: str | None = None, mode: str = "auto") -> Result:
    """What `work(client)` gives, with the SDK's client connected to a server. Modes: `auto`, `legacy`, a version."""
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async def connect() -> Result:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        http = httpx2.AsyncClient(headers=headers, timeout=20)
        async with http, Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            return await work(client)

    return asyncio.run(connect())


@contextlib.contextmanager
def serve_app(app: Any) -> Iterator[str]:
    """Serve an ASGI application on loopback, in a thread; its address."""
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    pause = threading.Event()
    while not server.started:
        assert thread.is_alive(), "the server does not start"
        pause.wait(0.01)
    try:
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
