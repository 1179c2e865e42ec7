"""A model's answer in the live log, line by line while it is written."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Teller"]

LONGEST_CHARACTERS = 160
"""A longer line is cut at a blank, so that it need not be waited for."""
LONGEST_SECONDS = 1.0
MOST_CHARACTERS = 32 * 1024
"""What a step shows of its answers; the answer itself is in the step's result."""


class Teller:
    """Takes the pieces of an answer and logs lines of readable length."""

    def __init__(self, log: Callable[[str, str], None], *, now: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._now = now
        self._held = ""
        self._since = 0.0
        self._shown = 0

    def say(self, piece: str) -> None:
        """Take a piece; log what has become a line."""
        if self._shown > MOST_CHARACTERS:
            return
        if not self._held:
            self._since = self._now()
        self._held += piece
        *lines, self._held = self._held.split("\n")
        for line in lines:
            self._tell(line)
        while len(self._held) > LONGEST_CHARACTERS:
            cut = self._held.rfind(" ", 0, LONGEST_CHARACTERS) + 1 or LONGEST_CHARACTERS
            self._tell(self._held[:cut])
            self._held = self._held[cut:]
        if self._now() - self._since > LONGEST_SECONDS and " " in self._held:
            whole, _, self._held = self._held.rpartition(" ")
            self._tell(whole)

    def end(self) -> None:
        """Log what is left."""
        self._tell(self._held)
        self._held = ""

    def _tell(self, line: str) -> None:
        self._since = self._now()
        line = line.rstrip()
        if not line or self._shown > MOST_CHARACTERS:
            return
        self._shown += len(line)
        self._log("info", line if self._shown <= MOST_CHARACTERS else "... (the rest is in the result)")
