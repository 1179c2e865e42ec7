"""The host process of blocks made by a fork: a hundredth of the time that a new Python would take.

For a worker that was forked itself from a parent with everything imported. It must fork the host before it learns any
secret, because the host, and every block, begins with a copy of its memory.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import traceback
from typing import NoReturn

from intellyhub_engine.blocks import host, walls
from intellyhub_engine.blocks.blocks import make_host_environment

__all__ = ["ForkedHost", "fork_host"]

LOOK_SECONDS = 0.005


class ForkedHost:
    """The end of a forked host process, waited for as `subprocess.Popen` does."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended = False

    def wait(self, timeout: float | None = None) -> None:
        """Return when it has ended. Raises `subprocess.TimeoutExpired`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._ended:
            pid, _ = os.waitpid(self.pid, os.WNOHANG)
            self._ended = pid == self.pid
            if not self._ended:
                if deadline is not None and time.monotonic() > deadline:
                    raise subprocess.TimeoutExpired("the host of blocks", timeout or 0.0)
                time.sleep(LOOK_SECONDS)

    def kill(self) -> None:
        """End it at once, and with it its jobs."""
        if not self._ended:
            os.kill(self.pid, signal.SIGKILL)


def fork_host() -> tuple[socket.socket, ForkedHost]:
    """Fork a host, and give the channel to it. Of what is open here it keeps the standard streams alone."""
    walls.hide_from_equals()
    control, end = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        become_host(end)
    end.close()
    return control, ForkedHost(pid)


def become_host(end: socket.socket) -> NoReturn:
    """What the child does from here on."""
    try:
        os.setsid()
        descriptor = end.detach()
        close_all_but(descriptor)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        environment = make_host_environment()
        os.environ.clear()
        os.environ.update(environment)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        host.main(descriptor)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(1)


def close_all_but(descriptor: int) -> None:
    """Close what the parent had open, except the standard streams and one descriptor."""
    highest = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, highest)
