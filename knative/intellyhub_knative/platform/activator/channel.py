"""How activator, warm parent and workers talk: JSON messages with descriptors, over sockets that keep them apart."""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Sequence
from typing import Any

import orjson

__all__ = ["make_pair", "receive", "send"]

MAX_BYTES = 65_536
MAX_DESCRIPTORS = 8


def make_pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a channel."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(end: socket.socket, message: Any, descriptors: Sequence[int] = ()) -> None:
    """Send one message; the other side gets copies of the descriptors. Raises OSError when it is gone."""
    packed = orjson.dumps(message)
    if len(packed) > MAX_BYTES:
        raise ValueError(f"a message of {len(packed)} bytes; large parts travel in a file")
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    end.sendmsg([packed], rights, socket.MSG_NOSIGNAL)


def receive(end: socket.socket) -> tuple[Any, list[int]] | None:
    """Receive one message; None when the other side is gone. Raises BlockingIOError where there is none yet."""
    try:
        packed, descriptors, _, _ = socket.recv_fds(end, MAX_BYTES, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:  # it ended with something of ours unread
        return None
    if not packed:
        return None
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return orjson.loads(packed), list(descriptors)
