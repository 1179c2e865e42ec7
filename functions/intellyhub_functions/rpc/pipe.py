"""A server as a child process: one JSON message a line, on its standard input and output.

https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#stdio
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepTimedOut
from intellyhub_functions.rpc.link import read_message

__all__ = ["PipeLink", "start_process"]

CHUNK_BYTES = 65536
MAX_LINE_BYTES = 16 << 20
LOOK_SECONDS = 0.1
END_SECONDS = 2.0
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")
"""Of our own environment: what a program needs to start, nothing that a tenant should not see."""


def start_process(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], allowed: Sequence[Sequence[str]]
) -> subprocess.Popen[bytes]:
    """Start a command that the operator allows. Raises PermanentError."""
    if not any(list(command[: len(each)]) == list(each) for each in allowed):
        raise PermanentError(
            f"{' '.join(command)[:200]!r} may not be started here: INTELLYHUB_MCP_COMMANDS does not name it"
        )
    if shutil.which(command[0]) is None:
        raise PermanentError(f"there is no program {command[0]!r} here")
    known = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        return subprocess.Popen(
            list(command),
            cwd=folder,
            env={**known, "HOME": str(folder), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as fault:
        raise PermanentError(f"{command[0]!r} cannot be started: {fault}") from fault


class PipeLink:
    """Messages to and from a child process, which ends with the link."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        name: str,
        timeout_seconds: float,
        ends: float | None,
        cancelled: threading.Event,
    ) -> None:
        self._process = process
        self._name = name
        self._timeout_seconds = timeout_seconds
        """Between two messages."""
        self._ends = ends
        self._cancelled = cancelled
        self._rest = bytearray()

    def ask(self, message: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        line = json.dumps(message).encode() + b"\n"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except (OSError, ValueError) as fault:
            raise self.gone() from fault
        if "id" not in message or "method" not in message:
            return
        while True:
            received = self.read_line()
            if received.strip():
                yield read_message(received, self._name)

    def read_line(self) -> bytes:
        """The next line. Raises StepFailed's kinds."""
        waits_until = time.monotonic() + self._timeout_seconds
        while (end := self._rest.find(b"\n")) < 0:
            if len(self._rest) > MAX_LINE_BYTES:
                raise PermanentError(f"{self._name} sent a line of more than {MAX_LINE_BYTES} bytes")
            self._rest += self.read(waits_until)
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        return line

    def read(self, waits_until: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while not selector.select(LOOK_SECONDS):
                now = time.monotonic()
                if self._cancelled.is_set():
                    raise StepCancelled("the run was cancelled")
                if self._ends is not None and now > self._ends:
                    raise StepTimedOut(f"{self._name} did not answer in time")
                if now > waits_until:
                    raise RetryableError(f"{self._name} did not answer within {self._timeout_seconds:g} s")
        received = os.read(descriptor, CHUNK_BYTES)
        if not received:
            raise self.gone()
        return received

    def gone(self) -> RetryableError:
        """The process has ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        return RetryableError(f"{self._name} ended by itself (exit code {self._process.poll()})")

    def close(self) -> None:
        """End the process and what it started: by closing its input, then by signals."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        for end in (None, signal.SIGTERM, signal.SIGKILL):
            if end is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, end)
            if ended(self._process.wait):
                break
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what it left behind
        if self._process.stdout is not None:
            self._process.stdout.close()


def ended(wait: Callable[[float], int]) -> bool:
    """Whether a process ends within a while."""
    try:
        wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True
