"""The process of one listener: started, heard, ended with all it started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from intellyhub_engine.blocks.limits import make_environment
from intellyhub_engine.blocks.output import Output
from intellyhub_engine.blocks.walls import hide_from_equals
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.plugins.listening.wire import Wire
from intellyhub_functions.plugins.plugin import InstalledPlugin

__all__ = ["Call", "Command", "ListenerProcess", "plain_command"]

CODE = (
    "import sys; sys.path.extend({path!r}); from intellyhub_functions.plugins.listening.child import main; main({end})"
)
CHUNK_BYTES = 1 << 16
LOG_BYTES = 256 << 10
LOG_SECONDS = 60.0
"""It may write so much to the log in so much time; what is beyond is dropped with a note."""
END_SECONDS = 0.7
"""What it gets to end by itself when it is told to."""


class Call(NamedTuple):
    """A program to start."""

    argv: list[str]
    environment: Mapping[str, str]


Command = Callable[[int, InstalledPlugin, SourceContext], Call]
"""`command(descriptor, plugin, context)`: what is started; it speaks on the descriptor."""


def plain_command(descriptor: int, plugin: InstalledPlugin, context: SourceContext) -> Call:
    """A Python of its own, with limits but without walls: on a person's own machine."""
    path = [entry for entry in sys.path if entry]
    argv = [sys.executable, "-I", "-c", CODE.format(path=path, end=descriptor)]
    return Call(argv, make_environment(context.workspace))


class ListenerProcess:
    """Lives as long as `with` lasts."""

    def __init__(self, command: Command, plugin: InstalledPlugin, context: SourceContext) -> None:
        hide_from_equals()
        ours, end = socket.socketpair()
        self.wire = Wire(ours)
        self._log = context.log
        self._heard = self._make_output()
        context.workspace.mkdir(parents=True, exist_ok=True)
        with end:
            call = command(end.fileno(), plugin, context)
            self._process = subprocess.Popen(
                call.argv,
                pass_fds=[end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=Path("/"),
                env=dict(call.environment),
            )
        assert self._process.stdout is not None
        self.output = self._process.stdout.fileno()
        self._speaks = True

    def __enter__(self) -> ListenerProcess:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def descriptors(self) -> list[int]:
        """What to wait for."""
        return [self.wire.end.fileno(), *([self.output] if self._speaks else [])]

    def pass_output_on(self) -> None:
        """Log what it has written."""
        if time.monotonic() - self._heard_since > LOG_SECONDS:
            self._heard.end()
            self._heard = self._make_output()
        piece = os.read(self.output, CHUNK_BYTES)
        self._speaks = bool(piece)
        self._heard.take(1, piece)

    def drain(self) -> None:
        """Log the rest of what it has written, without waiting."""
        os.set_blocking(self.output, False)
        with contextlib.suppress(BlockingIOError):
            while self._speaks:
                self.pass_output_on()
        self._heard.end()
        self._heard = self._make_output()

    def _make_output(self) -> Output:
        self._heard_since = time.monotonic()
        return Output(self._log, kept_bytes=0, log_bytes=LOG_BYTES)

    def describe_end(self) -> str:
        """How it ended, in words."""
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return "it hung up and went on"
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def close(self) -> None:
        """Tell it to stop, and end it, and what it started, when it does not."""
        with contextlib.suppress(OSError):
            self.wire.send({"kind": "stop"})
            self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with contextlib.suppress(OSError):
            self.drain()
        self.wire.end.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
