"""One process of the platform while it lives: started with what it inherits, heard, awaited, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from intellyhub_knative.platform.service import DATA, PARENT, READY, SOCKETS
from intellyhub_knative.platform.supervisor.services import Service

__all__ = ["Child", "Inheritance", "describe_end"]

READ_BYTES = 65_536
READY_LINE = b"ready"


class Inheritance:
    """What every process of one platform is given."""

    def __init__(
        self,
        *,
        data: str,
        environment: Mapping[str, str],
        sockets: Mapping[str, socket.socket],
        lock: int,
        interpreter: str = sys.executable,
    ) -> None:
        self.data = data
        self.environment = environment
        self.sockets = sockets
        self.lock = lock
        """The lock that is handed down, so that the data folder is free when the last process has ended."""
        self.interpreter = interpreter


class Child:
    """A running process. `facts` are what it tells for a person's eyes, by name."""

    def __init__(self, service: Service, process: asyncio.subprocess.Process, ready: int) -> None:
        self.service = service
        self.pid = process.pid
        self.facts: dict[str, Any] = {}
        self.ready = asyncio.Event()
        self.started = time.monotonic()
        self._process = process
        self._ready_descriptor = ready
        self._heard = bytearray()

    @classmethod
    async def start(cls, service: Service, inheritance: Inheritance) -> Child:
        """Start it in a process group of its own: a Ctrl-C of the terminal is for the supervisor. Raises `OSError`."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        listeners = {name: inheritance.sockets[name].fileno() for name in service.sockets}
        environment = {
            **inheritance.environment,
            DATA: inheritance.data,
            PARENT: str(os.getpid()),
            SOCKETS: ",".join(f"{name}={descriptor}" for name, descriptor in listeners.items()),
            READY: str(writing),
            "PYTHONUNBUFFERED": "1",
        }
        try:
            process = await asyncio.create_subprocess_exec(
                inheritance.interpreter,
                "-P",  # what lies in the current folder is no module of the platform
                "-m",
                service.module,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=environment,
                pass_fds=(*listeners.values(), writing, inheritance.lock),
                process_group=0,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        child = cls(service, process, reading)
        asyncio.get_running_loop().add_reader(reading, child.hear)
        return child

    @property
    def lived_seconds(self) -> float:
        return time.monotonic() - self.started

    def hear(self) -> None:
        """Read what it tells through its pipe: facts, then that it is ready."""
        try:
            received = os.read(self._ready_descriptor, READ_BYTES)
        except BlockingIOError:
            return
        if not received:
            self.hang_up()
            return
        self._heard += received
        while (end := self._heard.find(b"\n")) >= 0:
            line = bytes(self._heard[:end])
            del self._heard[: end + 1]
            if line == READY_LINE:
                self.ready.set()
            else:
                self.facts.update(orjson.loads(line))

    def hang_up(self) -> None:
        """Listen to its pipe no more."""
        if self._ready_descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._ready_descriptor)
            os.close(self._ready_descriptor)
            self._ready_descriptor = -1

    async def listen(self, take: Callable[[bytes], None]) -> None:
        """Hand on what it writes, until it and all it started have closed their outputs."""
        assert self._process.stdout is not None
        while received := await self._process.stdout.read(READ_BYTES):
            take(received)
        take(b"")

    async def wait(self) -> int:
        """Its exit code, negative for a signal."""
        code = await self._process.wait()
        self.hear_the_rest()
        return code

    def hear_the_rest(self) -> None:
        """What it told just before it ended."""
        if self._ready_descriptor >= 0:
            self.hear()
        self.hang_up()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self._process.returncode is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                return


def describe_end(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
