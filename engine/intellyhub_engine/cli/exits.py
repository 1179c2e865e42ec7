"""What the exit code of every command means; 66 to 75 are those of sysexits.h, 130 is a shell's for Ctrl-C."""

from __future__ import annotations

from enum import IntEnum

from intellyhub_engine.errors import EngineError

__all__ = ["CommandFailed", "Exit"]


class Exit(IntEnum):
    SUCCEEDED = 0
    FAILED = 1  # the run failed, or a flow test did
    INVALID = 2  # the flow, a flag or a file handed in cannot be used
    NOT_FOUND = 66  # the journal holds no such run
    BUSY = 69  # another process holds the run, or the address is taken
    INTERNAL = 70  # a fault of IntellyHub itself
    UNWRITABLE = 73  # the journal or a file cannot be created or written
    DISK_FULL = 74  # no room on the disk
    WAITING = 75  # the run is suspended and goes on later
    NOT_ALLOWED = 77  # not logged in to a platform, or not allowed to do this there
    CANCELLED = 130  # the run was cancelled, for example with Ctrl-C


class CommandFailed(EngineError):
    """A command cannot go on; `code` is what it exits with. For commands of other distributions too."""

    def __init__(self, message: str, code: Exit) -> None:
        self.code = code
        super().__init__(message)


EXIT_HELP = """\b
Exit codes:
  0 succeeded   1 failed   2 flow or flag invalid   66 no such run   69 busy
  70 internal fault   73 not writable   74 disk full   75 waiting   130 cancelled"""
"""The paragraph that ends the help of the commands that run flows (`\\b` keeps click from wrapping it)."""
