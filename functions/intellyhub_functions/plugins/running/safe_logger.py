"""`flow.utils`: a logger that never fails for a character; and the levels of whatever a plugin logs."""

from __future__ import annotations

import logging
import sys
from typing import Any

from intellyhub_engine.blocks.output import LEVEL_MARK

__all__ = ["SafeLogger"]

TALKATIVE = ("asyncio", "boto3", "botocore", "httpcore", "httpx", "openai", "requests", "urllib3", "werkzeug")
"""Libraries that tell every request: what they say is kept from warnings on."""


class SafeLogger:
    """`SafeLogger(name)`: what it is told becomes lines of the run's log."""

    def __init__(self, name: str = "plugin", *_more: Any, **_options: Any) -> None:
        self.name = name
        self._logger = logging.getLogger(name)

    def debug(self, message: Any, *arguments: Any, **options: Any) -> None:
        self._say(logging.DEBUG, message, arguments, options)

    def info(self, message: Any, *arguments: Any, **options: Any) -> None:
        self._say(logging.INFO, message, arguments, options)

    def warning(self, message: Any, *arguments: Any, **options: Any) -> None:
        self._say(logging.WARNING, message, arguments, options)

    warn = warning

    def error(self, message: Any, *arguments: Any, **options: Any) -> None:
        self._say(logging.ERROR, message, arguments, options)

    def critical(self, message: Any, *arguments: Any, **options: Any) -> None:
        self._say(logging.CRITICAL, message, arguments, options)

    def exception(self, message: Any, *arguments: Any, **options: Any) -> None:
        self._say(logging.ERROR, message, arguments, {"exc_info": True, **options})

    def _say(self, level: int, message: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        self._logger.log(level, str(message), *arguments, **options)


class Lines(logging.Handler):
    """Writes each line with its level before it, for the worker to read."""

    def emit(self, record: logging.LogRecord) -> None:
        write(level_of(record.levelno), self.format(record))


def write(level: str, message: str) -> None:
    """One log entry; every line of it at its level."""
    try:
        for line in message.splitlines():
            print(f"{LEVEL_MARK}{level} {line}", file=sys.stdout)  # noqa: T201 - this stream is the way to the log
    except (OSError, ValueError):  # the plugin closed its standard output: nobody is left to be told
        return


def level_of(number: int) -> str:
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"


def speak() -> None:
    """Send what is logged in this process to the run's log."""
    root = logging.getLogger()
    root.handlers = [Lines()]
    root.setLevel(logging.INFO)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
