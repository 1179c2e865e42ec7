"""What the forked child does: takes its walls, then runs one Python block or becomes one program."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from intellyhub_engine.blocks import channel, walls
from intellyhub_engine.blocks.limits import Limits

__all__ = ["close_gate", "import_early", "run"]

EARLY = ("datetime", "json", "math", "random", "re", "time", "intellyhub_engine.blocks.python")
"""What blocks use most; imported before any fork, so that a child starts with it."""


def import_early() -> None:
    """Import what children need, in the host."""
    for module in EARLY:
        __import__(module)


def run(job: int, output: int, errors: int, highest: int) -> NoReturn:
    """Do one job and end the process; called right after the fork."""
    code = 1
    try:
        walls.detach(job, output, errors, highest)
        worker = socket.socket(fileno=walls.JOB_DESCRIPTOR)
        request = channel.receive_request(worker)
        if request is not None:
            work(request, worker)
            code = 0
    finally:
        os._exit(code)


def close_gate(door: socket.socket) -> None:
    """From here on, connect only where the host lets us, which is given what it must listen to. Else nothing runs."""
    from intellyhub_engine.walls import gate

    try:
        listener = gate.close_behind()
        socket.send_fds(door, [b"L"], [listener])
        os.close(listener)
        door.close()
    except OSError as fault:
        os.write(2, f"a block cannot be closed in: {fault}\n".encode())
        os._exit(1)


def work(request: dict[str, Any], worker: socket.socket) -> None:
    """Set the limits, go to the workspace, and run what was asked for."""
    limits = Limits(**request["limits"])
    try:
        os.chdir(request["workspace"])
    except OSError as fault:
        worker.sendall(channel.NOT_STARTED + f"the workspace cannot be used: {fault}".encode())
        return
    walls.set_limits(limits)
    if request["argv"]:
        become(request["argv"], request["environment"], worker)
    elif "function" in request:
        run_function(request, worker)
    else:
        run_python(request, limits, worker)


def become(argv: list[str], environment: dict[str, str], worker: socket.socket) -> None:
    """Replace the process by a program; comes back only when that fails."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, programs expect them
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - the shell, where there is one, stands in argv
    except OSError as fault:
        worker.sendall(channel.NOT_STARTED + f"{argv[0]} cannot be started: {fault.strerror}".encode())


def run_function(request: dict[str, Any], worker: socket.socket) -> None:
    """Call a function of ours, which answers in bytes."""
    from importlib import import_module

    from intellyhub_engine.blocks import python

    module, _, name = request["function"].partition(":")
    python.prepare_streams()
    answer = getattr(import_module(module), name)(request["given"], request["environment"])
    sys.stdout.flush()
    worker.sendall(answer)


def run_python(request: dict[str, Any], limits: Limits, worker: socket.socket) -> None:
    """Run a block and send what came of it."""
    from intellyhub_engine.blocks import python

    sys.path.append(str(Path.cwd()))  # modules that a flow wrote to its workspace
    python.prepare_streams()
    answer = python.answer_block(request["block"], request["scope"], request["environment"], limits)
    sys.stdout.flush()
    worker.sendall(answer)
