"""The activator's side of the warm parent: starts it, asks it for children, hears how they end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from intellyhub_engine.blocks.limits import make_environment
from intellyhub_engine.catalogue.installed import VARIABLE
from intellyhub_engine.walls.enclosure import Ground
from intellyhub_engine.walls.groups import remove_group
from intellyhub_engine.walls.probe import Walls
from intellyhub_functions.settings import VARIABLES
from intellyhub_knative.platform.activator import channel

__all__ = ["Child", "WarmParent", "make_facts"]

LOG = logging.getLogger(__name__)
INHERITED = (VARIABLE, "PYTHONPATH", *VARIABLES)
"""What the warm parent takes over of the environment, beside what every program needs. Workers can see it."""
FORK = {"fork": True}
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 10.0
"""A parent that lived so long was sound: the next one is started at once."""


class Child(NamedTuple):
    """A forked child that waits to be told what to be."""

    pid: int
    channel: socket.socket
    handle: int
    """Its pidfd: names the process even when its number has been given to another."""

    def close(self) -> None:
        """Release what we have of it: it ends, unless it was made a worker."""
        self.channel.close()
        os.close(self.handle)


class WarmParent:
    """Lives in the event loop. When the process dies, another is started; its children are then reaped here."""

    def __init__(
        self, walls: Walls, ground: Ground, *, on_child: Callable[[Child], None], on_exit: Callable[[int, int], None]
    ) -> None:
        """`on_exit(pid, status)`: a child has ended, with a wait status."""
        self._walls = walls
        self._greeting = {
            "walls": make_facts(walls),
            "ground": {name: [str(path) for path in paths] for name, paths in asdict(ground).items()},
        }
        self._on_child = on_child
        self._on_exit = on_exit
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = 0
        self._pause = 0.0
        self._started = 0.0
        self._closing = False
        self._children: dict[int, int] = {}
        """The living ones: process id -> pidfd, a copy of our own."""

    @property
    def pid(self) -> int | None:
        """The process id of the warm parent."""
        return self._process.pid if self._process is not None else None

    @property
    def asked(self) -> int:
        """Children that were asked for and have not come."""
        return self._asked

    def start(self) -> None:
        """Start the process; who asks meanwhile is served when it is warm."""
        control, end = channel.make_pair()
        control.setblocking(False)
        environment = make_environment(Path("/"))
        environment |= {name: os.environ[name] for name in INHERITED if name in os.environ}
        command = [sys.executable, "-m", "intellyhub_knative.platform.activator.zygote", str(end.fileno())]
        with end:
            self._process = subprocess.Popen(
                command, pass_fds=[end.fileno()], stdin=subprocess.DEVNULL, env=environment
            )
        self._control = control
        self._started = asyncio.get_running_loop().time()
        channel.send(control, self._greeting)
        for _ in range(self._asked):
            channel.send(control, FORK)
        asyncio.get_running_loop().add_reader(control, self._read)

    def ask(self) -> None:
        """Ask for one more child."""
        self._asked += 1
        if self._control is not None:
            try:
                channel.send(self._control, FORK)
            except OSError as fault:  # it has died, which is noticed in a moment, or is far behind
                LOG.debug("the warm parent was not reached: %s", fault)

    def close(self) -> None:
        """End the process. Its children are told by their own channels."""
        self._closing = True
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def _read(self) -> None:
        assert self._control is not None
        while True:
            try:
                received = channel.receive(self._control)
            except BlockingIOError:
                return
            if received is None:
                self._lose()
                return
            message, descriptors = received
            if "child" in message:
                self._take(message["child"], descriptors)
            elif "exit" in message:
                self._forget(message["exit"], message["status"])

    def _take(self, pid: int, descriptors: list[int]) -> None:
        self._asked = max(self._asked - 1, 0)
        self._pause = 0.0
        end = socket.socket(fileno=descriptors[0])
        end.setblocking(False)
        self._children[pid] = os.dup(descriptors[1])
        self._on_child(Child(pid, end, descriptors[1]))

    def _forget(self, pid: int, status: int) -> None:
        handle = self._children.pop(pid, None)
        if handle is not None:
            os.close(handle)
            self._on_exit(pid, status)

    def _lose(self) -> None:
        """The process has died. This one adopts its children (it is a subreaper), and starts another."""
        assert self._control is not None
        assert self._process is not None
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._control)
        self._control.close()
        self._control = None
        self._process.kill()
        status = self._process.wait()
        if self._closing:
            return
        for pid, handle in list(self._children.items()):
            loop.add_reader(handle, self._reap, pid, handle)
        if loop.time() - self._started > STEADY_SECONDS:
            self._pause = 0.0
        LOG.error("the warm parent ended (%s); another is started in %.1f s", describe(status), self._pause)
        loop.call_later(self._pause, self.start)
        self._pause = min(max(self._pause * 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)

    def _reap(self, pid: int, handle: int) -> None:
        """An adopted child has ended."""
        asyncio.get_running_loop().remove_reader(handle)
        try:
            _, status = os.waitpid(pid, 0)
        except ChildProcessError:  # somebody else was its parent: how it ended is not known
            status = signal.SIGKILL
        remove_group(self._walls.cgroup, pid)
        self._forget(pid, status)


def make_facts(walls: Walls) -> dict[str, Any]:
    """The walls as JSON."""
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in walls._asdict().items()}


def describe(returncode: int) -> str:
    """How a process ended, in words."""
    return f"exit code {returncode}" if returncode >= 0 else signal.Signals(-returncode).name
