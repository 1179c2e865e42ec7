"""A program's output: kept up to a limit, and passed to the run's log line by line while it comes."""

from __future__ import annotations

import codecs
from collections.abc import Callable

__all__ = ["LEVEL_MARK", "Output"]

MAX_LINE_CHARACTERS = 8192
"""A longer line is logged in pieces of this length."""
LEVEL_MARK = "\x1elevel="
"""A line that begins so, with a level and a blank, is logged at that level."""
LEVELS = frozenset(("debug", "info", "warning", "error"))


class Output:
    """What both streams of one program give, in the order in which it arrives."""

    def __init__(self, log: Callable[[str, str], None], *, kept_bytes: int, log_bytes: int) -> None:
        self._log = log
        self._kept_bytes = kept_bytes
        self._log_left = log_bytes
        self._kept = {1: bytearray(), 2: bytearray()}
        self._decoders = {stream: codecs.getincrementaldecoder("utf-8")("replace") for stream in (1, 2)}
        self._lines = {1: "", 2: ""}
        self.dropped = False
        """Whether more came than is kept."""

    def take(self, stream: int, piece: bytes) -> None:
        """Take a piece of standard output (1) or standard error (2)."""
        kept = self._kept[stream]
        room = max(self._kept_bytes - len(kept), 0)
        kept += piece[:room]
        self.dropped = self.dropped or len(piece) > room
        if self._log_left > 0:
            self._pass_on(stream, self._decoders[stream].decode(piece))

    def end(self) -> None:
        """Log the last lines, which need no line end."""
        for stream in (1, 2):
            rest = self._lines[stream] + self._decoders[stream].decode(b"", final=True)
            self._lines[stream] = ""
            if rest:
                self._log(*leveled(rest))

    def text(self, stream: int) -> str:
        """All that was kept of a stream; bytes that are not UTF-8 are replaced."""
        return self._kept[stream].decode("utf-8", "replace")

    def _pass_on(self, stream: int, text: str) -> None:
        *lines, rest = (self._lines[stream] + text).split("\n")
        while len(rest) > MAX_LINE_CHARACTERS:
            lines.append(rest[:MAX_LINE_CHARACTERS])
            rest = rest[MAX_LINE_CHARACTERS:]
        self._lines[stream] = rest
        for line in lines:
            self._log(*leveled(line.rstrip("\r")))
            self._log_left -= len(line) + 1
            if self._log_left <= 0:
                self._log("warning", "more output follows that is not logged")
                self._lines = {1: "", 2: ""}
                return


def leveled(line: str) -> tuple[str, str]:
    """A line's level and text."""
    level, blank, text = line.removeprefix(LEVEL_MARK).partition(" ")
    return (level, text) if line.startswith(LEVEL_MARK) and blank and level in LEVELS else ("info", line)
