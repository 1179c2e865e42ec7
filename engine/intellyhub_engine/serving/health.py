"""Asks the worker of this environment whether it lives: `python -m intellyhub_engine.serving.health`, exit code 0 or 1.

For a container's health check, where there is neither a shell nor curl. Imports nothing but sockets, as it runs often.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping

__all__ = ["is_healthy"]

TIMEOUT_SECONDS = 2.0
QUESTION = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def is_healthy(environment: Mapping[str, str]) -> bool:
    """Whether the worker answers 200."""
    try:
        with connect(environment) as sock:
            sock.sendall(QUESTION)
            return sock.recv(64).startswith(b"HTTP/1.1 200 ")
    except (OSError, ValueError):
        return False


def connect(environment: Mapping[str, str]) -> socket.socket:
    """To the unix socket, or to the port on this machine."""
    if path := environment.get("INTELLYHUB_SOCKET"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(TIMEOUT_SECONDS)
        sock.connect(path)
        return sock
    host = environment.get("INTELLYHUB_HOST") or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - it connects
    return socket.create_connection((host, int(environment.get("PORT") or "8080")), TIMEOUT_SECONDS)


if __name__ == "__main__":
    sys.exit(0 if is_healthy(os.environ) else 1)
