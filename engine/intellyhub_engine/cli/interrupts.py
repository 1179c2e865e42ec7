"""Ctrl-C and SIGTERM: the first asks runs to end in order, the second Ctrl-C ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["stopping_with"]


@contextmanager
def stopping_with(stop: Callable[[], None], *, word: str) -> Iterator[None]:
    """Call `stop` at the first SIGINT or SIGTERM while the block runs; `word` says what that does."""
    asked = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        asked.set()
        again = " (Ctrl-C again ends at once)" if number == signal.SIGINT else ""
        with suppress(OSError):  # a terminal that is gone cannot be told
            os.write(2, f"\nintellyhub: {word}{again}\n".encode())
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
