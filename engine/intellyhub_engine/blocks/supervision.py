"""The worker's side of one job: starts it, passes its output on while it runs, ends it when its time is up."""

from __future__ import annotations

import math
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from intellyhub_engine.blocks import channel

__all__ = ["Ended", "Job", "supervise"]

LOOK_SECONDS = 0.05
"""How often a run's cancellation is looked at while nothing else happens."""
CHUNK_BYTES = 65536
KILL_SECONDS = 5.0
"""What the host process gets to kill a job. A block of the same user can stop its host, which then kills nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a job ended."""

    status: int | None
    """The wait status; None when the host process itself ended."""
    answer: bytes
    stopped: str | None = None
    """`timeout`, `cancelled` or `answer` (larger than allowed), where we ended it."""


class Job:
    """The worker's ends of a job's socket and pipes. `childs` are the other ends, until the host has them."""

    def __init__(self) -> None:
        self.socket, child_socket = socket.socketpair()
        pipes = [os.pipe() for _ in range(3)]
        self.output, self.errors, self.status = (reader for reader, _ in pipes)
        self.childs: tuple[int, ...] = (child_socket.detach(), *(writer for _, writer in pipes))

    def close_childs(self) -> None:
        """Close the ends that the host has got copies of."""
        for descriptor in self.childs:
            os.close(descriptor)
        self.childs = ()

    def close(self) -> None:
        """Close the worker's ends."""
        self.socket.close()
        for descriptor in (self.output, self.errors, self.status):
            os.close(descriptor)

    def send(self, request: dict[str, Any]) -> None:
        """Send the request; a child that has ended already is noticed later."""
        try:
            channel.send_request(self.socket, request)
        except (BrokenPipeError, ConnectionResetError):
            return


def supervise(
    job: Job,
    *,
    kill: Callable[[], None],
    give_up: Callable[[], None],
    output: Callable[[int, bytes], None],
    timeout_seconds: float | None,
    cancelled: threading.Event,
    max_answer_bytes: int,
) -> Ended:
    """Wait for a job's end. `output(stream, bytes)` is called as output arrives, with stream 1 or 2; `give_up` when the
    job outlives its killing, and must end the host."""
    streams = {job.output: 1, job.errors: 2}
    ends = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    answer = bytearray()
    stopped = None
    patience = math.inf
    poll = select.poll()
    for descriptor in (job.status, job.socket.fileno(), *streams):
        poll.register(descriptor, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in poll.poll(wait_milliseconds(ends, stopped))]
        for descriptor in ready:
            if descriptor != job.status and not take(job, descriptor, streams, answer, output):
                poll.unregister(descriptor)
        if job.status in ready:
            drain(job, streams, answer, output)
            return Ended(status=channel.unpack_status(os.read(job.status, 4)), answer=bytes(answer), stopped=stopped)
        reason = None if stopped else reason_to_stop(ends, cancelled, len(answer) > max_answer_bytes)
        if reason:
            stopped, patience = reason, time.monotonic() + KILL_SECONDS
            kill()
        if time.monotonic() > patience:
            patience = math.inf
            give_up()


def wait_milliseconds(ends: float | None, stopped: str | None) -> float:
    """How long to wait for output: until the next look at the run's cancellation, or the deadline."""
    if ends is None or stopped:
        return LOOK_SECONDS * 1000
    return max(0.0, min(LOOK_SECONDS, ends - time.monotonic())) * 1000


def reason_to_stop(ends: float | None, cancelled: threading.Event, too_large: bool) -> str | None:
    if cancelled.is_set():
        return "cancelled"
    if ends is not None and time.monotonic() >= ends:
        return "timeout"
    return "answer" if too_large else None


def take(
    job: Job, descriptor: int, streams: dict[int, int], answer: bytearray, output: Callable[[int, bytes], None]
) -> bool:
    """Take what one descriptor has; False at its end."""
    try:
        piece = os.read(descriptor, CHUNK_BYTES)
    except (ConnectionResetError, BlockingIOError):  # the child ended without reading its request
        return False
    if descriptor in streams:
        if piece:
            output(streams[descriptor], piece)
    else:
        answer += piece
    return bool(piece)


def drain(job: Job, streams: dict[int, int], answer: bytearray, output: Callable[[int, bytes], None]) -> None:
    """Take what is still in the pipes, without waiting for someone who escaped the group with a copy of them."""
    for descriptor in (*streams, job.socket.fileno()):
        os.set_blocking(descriptor, False)
        while take(job, descriptor, streams, answer, output):
            pass
