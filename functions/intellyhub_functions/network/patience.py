"""Bounds a blocking exchange with a server: it ends in time, or when nobody waits for it any more."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["Stopped", "finish", "started"]

LOOK_SECONDS = 0.1

Result = TypeVar("Result")


class Stopped(Exception):
    """Whoever waited for the exchange was told to stop."""


def finish(
    call: Callable[[], Result], *, abandon: Callable[[], None], stopping: threading.Event, seconds: float
) -> Result:
    """What the call gives or raises; it runs in a thread of its own, since a server that sends a byte now and then
    keeps every single wait short. After `seconds` raises TimeoutError, once `stopping` is set Stopped; `abandon`, which
    closes the connection, is called before, so that the thread ends too."""
    future = started(call)
    ends = time.monotonic() + seconds
    while not future.done():
        left = ends - time.monotonic()
        if left <= 0 or stopping.is_set():
            with contextlib.suppress(OSError):  # it may be closed already
                abandon()
            raise Stopped if stopping.is_set() else TimeoutError("no answer in time")
        with contextlib.suppress(TimeoutError):
            future.exception(min(left, LOOK_SECONDS))
    return future.result()


def started(call: Callable[[], Result]) -> Future[Result]:
    """The call, in a thread of its own that nobody has to wait for."""
    future: Future[Result] = Future()
    threading.Thread(target=complete, args=(future, call), daemon=True).start()
    return future


def complete(future: Future[Result], call: Callable[[], Result]) -> None:
    """Run the call, whatever becomes of it."""
    try:
        future.set_result(call())
    except BaseException as fault:  # noqa: BLE001 - it is raised again where the result is asked for
        future.set_exception(fault)
