"""An event loop in a thread, for servers of tests that are written for asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["LoopThread"]

ANSWER_SECONDS = 20.0

Result = TypeVar("Result")


class LoopThread:
    """Runs until `close`; `call` runs a coroutine in it and waits."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """What the coroutine gives or raises."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(ANSWER_SECONDS)

    def close(self) -> None:
        """Cancel what still runs, and end the thread."""
        self.call(cancel_others())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def cancel_others() -> None:
    """Cancel every other task of this loop, and wait for their ends."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
