"""A thread that stays outside of the walls which its process closes around itself.

What a pod is told in files (its token, secrets, variables) is replaced while it runs, so that it has to be read again;
nothing that works for a flow may read them. Landlock binds the thread that asks for it, and those it starts from then
on: this one was started before. It does nothing but read what it was made for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

__all__ = ["Outside"]

Result = TypeVar("Result")


class Asked(Generic[Result]):
    """A call, and what came of it."""

    def __init__(self, call: Callable[[], Result]) -> None:
        self.call = call
        self.done = threading.Event()
        self.result: Result | None = None
        self.fault: BaseException | None = None

    def perform(self) -> None:
        """Call, in the other thread."""
        try:
            self.result = self.call()
        except BaseException as fault:  # noqa: BLE001 - it is raised again where the result is waited for
            self.fault = fault
        self.done.set()


class Outside:
    """The thread. Make it before walls are closed; it ends with the process."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[Asked[Any]] = SimpleQueue()
        ready = threading.Event()
        threading.Thread(target=self._work, args=(ready,), name="outside", daemon=True).start()
        ready.wait()

    def do(self, call: Callable[[], Result]) -> Result:
        """What the call gives or raises, outside."""
        asked = Asked(call)
        self._asked.put(asked)
        asked.done.wait()
        if asked.fault is not None:
            raise asked.fault
        return asked.result  # type: ignore[return-value]

    def _work(self, ready: threading.Event) -> None:
        ready.set()
        while True:
            self._asked.get().perform()
