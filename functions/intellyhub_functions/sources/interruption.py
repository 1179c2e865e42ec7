"""Leaves a call that is held open for long when the source has to end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from intellyhub_functions.network.patience import started

__all__ = ["call_until"]

LOOK_SECONDS = 0.2

Result = TypeVar("Result")


def call_until(call: Callable[[], Result], stopping: threading.Event) -> Result | None:
    """What the call gives or raises; None once `stopping` is set, while the call ends in a thread of its own."""
    future = started(call)
    while not stopping.is_set():
        try:
            return future.result(LOOK_SECONDS)
        except TimeoutError:
            if future.done():  # the call itself raised it
                raise
    return None
