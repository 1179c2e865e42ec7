"""The one place where anything that went wrong becomes a message and an exit code."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click

from intellyhub_engine.cli.diagnostics import FlowRefused, count_problems
from intellyhub_engine.cli.exits import CommandFailed, Exit
from intellyhub_engine.errors import (
    EngineError,
    FlowInvalid,
    InputInvalid,
    JournalError,
    JournalFull,
    JournalUnwritable,
    LeaseLost,
    RunNotFound,
    StepFailed,
)

__all__ = ["Fault", "explain"]

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NO_PLACE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
"""Of a file to be written: those to be read are looked for before."""
NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)


class Fault(NamedTuple):
    """What a person is told, and what a script is told."""

    message: str
    code: int


def explain(error: BaseException) -> Fault:
    """Say what happened, where, and what to do about it."""
    for family, explanation in FAMILIES:
        if isinstance(error, family):
            return explanation(error)
    return Fault(
        f"a fault of IntellyHub itself: {describe(error)}, {place_of(error)}\n"
        "Call again with --debug to see all of it, and please report it.",
        Exit.INTERNAL,
    )


def describe(error: BaseException) -> str:
    """An exception's type and text, bounded."""
    text = str(error)
    return f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__


def place_of(error: BaseException) -> str:
    """Where an exception was raised, as file and line."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return f"at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "at an unknown place"


def usage(error: BaseException) -> Fault:
    assert isinstance(error, click.ClickException)
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if isinstance(error, click.UsageError) and context is not None:
        message += f"\nTry '{context.command_path} --help'."
    return Fault(message, Exit.INVALID)


def refused(error: BaseException) -> Fault:
    assert isinstance(error, FlowRefused)
    return Fault(f"{error.path} cannot run: {count_problems(error.problems)}", Exit.INVALID)


def full(error: BaseException) -> Fault:
    return Fault(f"{error}\nMake room on that disk, then go on with: intellyhub resume", Exit.DISK_FULL)


def out_of_memory(_error: BaseException) -> Fault:
    return Fault("not enough memory for the values of this flow; give it smaller ones, or files", Exit.FAILED)


def too_deep(_error: BaseException) -> Fault:
    return Fault("something here is nested too deeply to be read; nest it less", Exit.INVALID)


def system(error: BaseException) -> Fault:
    assert isinstance(error, OSError)
    place = f"{error.filename}: " if error.filename else ""
    reason = f"{place}{error.strerror or error}"
    if error.errno in NO_ROOM:
        return Fault(f"{reason}\nMake room on that disk and call again.", Exit.DISK_FULL)
    if error.errno in NO_RIGHT:
        return Fault(f"{reason}\nChange its rights, or name another place.", Exit.UNWRITABLE)
    if error.errno in NO_PLACE:
        return Fault(f"{reason}\nName a file in a folder that exists.", Exit.UNWRITABLE)
    if error.errno == errno.EADDRINUSE:
        return Fault(f"{reason}\nName another one with --port.", Exit.BUSY)
    return Fault(reason, Exit.INVALID)


def failed(error: BaseException) -> Fault:
    assert isinstance(error, CommandFailed)
    return Fault(str(error), error.code)


def ends_with(code: Exit, remedy: str = "") -> Callable[[BaseException], Fault]:
    """An explanation that is the error's own text and a remedy."""
    return lambda error: Fault(f"{error}\n{remedy}" if remedy else str(error), code)


FAMILIES: tuple[tuple[type[BaseException], Callable[[BaseException], Fault]], ...] = (
    (click.exceptions.Abort, ends_with(Exit.CANCELLED, "cancelled")),
    (click.ClickException, usage),
    (KeyboardInterrupt, ends_with(Exit.CANCELLED, "cancelled")),
    (CommandFailed, failed),
    (FlowRefused, refused),
    (FlowInvalid, ends_with(Exit.INVALID)),
    (InputInvalid, ends_with(Exit.INVALID)),
    (RunNotFound, ends_with(Exit.NOT_FOUND, "See which there are with: intellyhub runs")),
    (LeaseLost, ends_with(Exit.BUSY, "Wait until then, or stop that process.")),
    (JournalFull, full),
    (
        JournalUnwritable,
        ends_with(Exit.UNWRITABLE, "Name another with --journal FILE, or keep nothing with --journal none."),
    ),
    (JournalError, ends_with(Exit.UNWRITABLE)),
    (StepFailed, ends_with(Exit.FAILED)),
    (EngineError, ends_with(Exit.FAILED)),
    (MemoryError, out_of_memory),
    (RecursionError, too_deep),
    (OSError, system),
)
"""First match wins, so that the special stands above the general."""
