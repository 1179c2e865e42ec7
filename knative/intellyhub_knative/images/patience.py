"""What everything that takes time is given: whom to tell how far it is, and whom to ask whether it is still wanted."""

from __future__ import annotations

import time
from collections.abc import Callable

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.images.errors import BuildCancelled

__all__ = ["ALONE", "Watch"]

SLICE_SECONDS = 0.1


def tell_nobody(text: str) -> None:
    """Nobody watches."""
    del text


def never() -> bool:
    """Nobody cancels."""
    return False


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Someone who watches work that takes time."""

    progress: Callable[[str], None] = tell_nobody
    """Gets a line for people, without a line feed, now and then."""
    cancelled: Callable[[], bool] = never
    """Asked often, from the thread that works."""

    def check(self) -> None:
        """Raises `BuildCancelled` when the work is no longer wanted."""
        if self.cancelled():
            raise BuildCancelled("cancelled")

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises `BuildCancelled` soon after the work is no longer wanted."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, SLICE_SECONDS))
        self.check()


ALONE = Watch()
"""Nobody watches and nobody cancels."""
