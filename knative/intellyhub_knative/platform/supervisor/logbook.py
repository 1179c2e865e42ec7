"""The one log stream: every line of every process with its time, process and level, in a file and for whoever looks."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import NamedTuple

__all__ = ["Level", "Line", "LineReader", "Logbook"]

MAX_FILE_BYTES = 10_000_000
KEPT_FILES = 5
MAX_LINE_BYTES = 16_384
"""Longer lines are cut: one that never ends would fill the memory."""
TRACEBACK = "Traceback (most recent call last)"


class Level(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LEVELS = {
    "DEBUG": Level.DEBUG,
    "INFO": Level.INFO,
    "WARNING": Level.WARNING,
    "ERROR": Level.ERROR,
    "CRITICAL": Level.ERROR,
}


class Line(NamedTuple):
    """One line of one process."""

    at: datetime
    process: str
    level: Level
    message: str

    def __str__(self) -> str:
        stamp = self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return f"{stamp} {self.process} {self.level.value} {self.message}"


class LineReader:
    """Makes lines of the bytes that a process writes."""

    def __init__(self, process: str, now: Callable[[], datetime]) -> None:
        self._process = process
        self._now = now
        self._rest = b""
        self._level = Level.INFO
        self._cutting = False

    def feed(self, received: bytes) -> list[Line]:
        """The lines that are complete now; nothing received ends the last one."""
        if not received and self._rest:
            received = b"\n"
        *whole, self._rest = (self._rest + received).split(b"\n")
        lines = []
        for content in whole:
            if not self._cutting:
                lines.append(self._make_line(content))
            self._cutting = False
        if len(self._rest) > MAX_LINE_BYTES:
            if not self._cutting:
                lines.append(self._make_line(self._rest))
            self._cutting, self._rest = True, b""
        return [line for line in lines if line.message]

    def _make_line(self, content: bytes) -> Line:
        text = content[:MAX_LINE_BYTES].decode("utf-8", "replace").rstrip()
        word, _, rest = text.partition(" ")
        if word in LEVELS:  # a line without a level continues the one before: a traceback does
            self._level, text = LEVELS[word], rest
        elif text.startswith(TRACEBACK):  # nobody caught it
            self._level = Level.ERROR
        return Line(self._now(), self._process, self._level, text)


class Logbook:
    """Writes lines to `platform.log`, which is rotated by size, and hands them on. A full disk is told once, and stops
    nothing."""

    def __init__(self, path: Path, show: Callable[[Line], None]) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._show = show
        self._file = Tolerant(path, maxBytes=MAX_FILE_BYTES, backupCount=KEPT_FILES, encoding="utf-8", delay=True)
        self._file.failed = self._tell_failure
        self._broken = False

    def write(self, line: Line) -> None:
        """Keep and show one line."""
        self._show(line)
        self._file.emit(logging.makeLogRecord({"msg": str(line), "levelno": logging.INFO}))

    def note(self, message: str, level: Level = Level.INFO, process: str = "platform") -> None:
        """A line of the supervisor's own; several lines of text become several lines."""
        for text in message.splitlines():
            self.write(Line(utc_now(), process, level, text))

    def close(self) -> None:
        """Close the file; what cannot be written is told before."""
        with suppress(OSError):
            self._file.close()

    def _tell_failure(self, fault: BaseException | None) -> None:
        if not self._broken:
            self._broken = True
            self._show(Line(utc_now(), "platform", Level.ERROR, f"the log file cannot be written: {fault}"))


class Tolerant(RotatingFileHandler):
    """A file handler that reports its faults instead of printing tracebacks."""

    failed: Callable[[BaseException | None], None]

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - named by the standard library
        self.failed(sys.exc_info()[1])


def utc_now() -> datetime:
    """The time of a line."""
    return datetime.now(UTC)
