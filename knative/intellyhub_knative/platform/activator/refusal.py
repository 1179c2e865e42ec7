"""What those are told who wait at the door of a flow whose workers cannot start."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from intellyhub_engine.serving.lean.wire import render
from intellyhub_engine.serving.problems import Fault, make_problem

__all__ = ["refuse_all"]

LINGER_SECONDS = 1.0
LINGER_BYTES = 1 << 20
AT_A_TIME = 1024

tasks: set[asyncio.Task[None]] = set()
"""Kept here so that none is collected while it works."""


def refuse_all(listener: socket.socket, *, retry_after_seconds: int) -> int:
    """Answer everyone who waits there with 503 and a problem document; how many were."""
    response = make_problem(
        Fault.NOT_READY, "its workers cannot start; the platform tries again", retry_after_seconds=retry_after_seconds
    )
    content = render(response, keep_alive=False, head_only=False)
    for count in range(AT_A_TIME):
        try:
            connection, _ = listener.accept()
        except OSError:  # nobody more; what the system refuses now it offers again
            return count
        task = asyncio.get_running_loop().create_task(refuse(connection, content))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    return AT_A_TIME


async def refuse(connection: socket.socket, content: bytes) -> None:
    """Answer, then take what is still being sent, so that a reset does not overtake the answer."""
    loop = asyncio.get_running_loop()
    connection.setblocking(False)
    with connection, contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            await loop.sock_sendall(connection, content)
            connection.shutdown(socket.SHUT_WR)
            taken = 0
            while taken < LINGER_BYTES and (received := await loop.sock_recv(connection, 65_536)):
                taken += len(received)
