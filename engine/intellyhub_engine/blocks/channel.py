"""How the worker, the host process and its children talk.

Worker and host share one stream socket, the *control* channel. Its messages are five bytes, a verb and a job number;
START carries four descriptors: the child's end of the job's own socket, its standard output and error, and the pipe
on which the host reports how the child ended. On the job's socket the worker sends one request, as a length and
`marshal` bytes, and the child answers with bytes until the socket ends. The worker trusts its own requests; what a
child sends is data from outside.
"""

from __future__ import annotations

import array
import marshal
import socket
import struct
from typing import Any

__all__ = [
    "DESCRIPTORS",
    "FAILED",
    "KILL",
    "NOT_STARTED",
    "RETURNED",
    "START",
    "pack_status",
    "receive_order",
    "receive_request",
    "send_order",
    "send_request",
    "unpack_status",
]

START = b"S"
KILL = b"K"
DESCRIPTORS = 4

RETURNED = b"R"  # first byte of a child's answer: the encoded result follows
FAILED = b"F"  # the block raised: the encoded message follows
NOT_STARTED = b"N"  # the program could not be started: the message follows

ORDER = struct.Struct("!cI")
LENGTH = struct.Struct("!Q")
STATUS = struct.Struct("!i")


def send_order(control: socket.socket, verb: bytes, job: int, descriptors: tuple[int, ...] = ()) -> None:
    """Send one order to the host; the caller holds the channel's lock."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    control.sendmsg([ORDER.pack(verb, job)], ancillary)


def receive_order(control: socket.socket) -> tuple[bytes, int, list[int]] | None:
    """Receive one order; None when the worker has ended."""
    message, descriptors, _, _ = socket.recv_fds(control, ORDER.size, DESCRIPTORS)
    if len(message) < ORDER.size:
        return None
    verb, job = ORDER.unpack(message)
    return verb, job, descriptors


def send_request(job: socket.socket, request: dict[str, Any]) -> None:
    """Send the request to a job's child."""
    packed = marshal.dumps(request)
    job.sendall(LENGTH.pack(len(packed)) + packed)


def receive_request(job: socket.socket) -> dict[str, Any] | None:
    """Receive the request; None when the worker gave up."""
    head = receive_exactly(job, LENGTH.size)
    packed = head and receive_exactly(job, LENGTH.unpack(head)[0])
    return marshal.loads(packed) if packed else None  # noqa: S302 - from the worker, never from a child


def receive_exactly(job: socket.socket, size: int) -> bytes | None:
    received = bytearray(size)
    view = memoryview(received)
    while view:
        count = job.recv_into(view)
        if count == 0:
            return None
        view = view[count:]
    return bytes(received)


def pack_status(status: int) -> bytes:
    """A wait status as the host reports it."""
    return STATUS.pack(status)


def unpack_status(packed: bytes) -> int | None:
    """The wait status; None when the host ended before the child did."""
    return int(STATUS.unpack(packed)[0]) if len(packed) == STATUS.size else None
