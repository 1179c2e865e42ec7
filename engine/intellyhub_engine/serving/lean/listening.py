"""The socket a worker listens on: its own, one that its parent holds, or one from systemd."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.serving.settings import Settings

__all__ = ["inherited_descriptor", "listen", "place"]

BACKLOG = 1024
FIRST_SYSTEMD_DESCRIPTOR = 3


def inherited_descriptor(settings: Settings, environment: Mapping[str, str], pid: int) -> int | None:
    """The descriptor of a listening socket that was handed down, if one was: ours, or as `sd_listen_fds(3)` says."""
    if settings.listen_fd >= 0:
        return settings.listen_fd
    if environment.get("LISTEN_PID") == str(pid) and environment.get("LISTEN_FDS", "0") not in ("", "0"):
        return FIRST_SYSTEMD_DESCRIPTOR
    return None


def listen(settings: Settings, inherited: int | None) -> socket.socket:
    """Give a listening socket. Raises `InputInvalid` naming the variable when there can be none."""
    try:
        if inherited is not None:
            return adopt(inherited)
        if settings.socket:
            return listen_at_path(settings.socket)
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server(
            (settings.host, settings.port), family=family, backlog=BACKLOG, dualstack_ipv6=settings.host == "::"
        )
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise InputInvalid(f"cannot listen on {asked_for(settings, inherited)}: {reason}") from fault


def adopt(descriptor: int) -> socket.socket:
    """Take over a socket that somebody else opened."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        raise OSError("the descriptor is not a socket")
    sock = socket.socket(fileno=descriptor)
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.close()
        raise OSError("the socket does not listen")
    sock.set_inheritable(False)
    return sock


def listen_at_path(path: str) -> socket.socket:
    """A unix socket; a dead one in its place is replaced, a living one is not."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
        raise OSError("another process listens there")
    except ConnectionRefusedError:
        Path(path).unlink()
    except FileNotFoundError:
        pass
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(path)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def asked_for(settings: Settings, inherited: int | None) -> str:
    """The place, as whoever set it would find it."""
    if inherited is not None:
        return f"the inherited descriptor {inherited} (INTELLYHUB_LISTEN_FD)"
    if settings.socket:
        return f"{settings.socket} (INTELLYHUB_SOCKET)"
    return f"{settings.host}:{settings.port} (INTELLYHUB_HOST, PORT)"


def place(sock: socket.socket) -> str:
    """Where a socket listens, as a person would write it."""
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
