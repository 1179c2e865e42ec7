"""One version of one flow as the activator knows it: the socket where it is asked, and who answers there."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from pathlib import Path

from intellyhub_knative.platform.activator.page import State
from intellyhub_knative.platform.activator.workers import Worker
from intellyhub_knative.platform.deployments import Deployment, Version

__all__ = ["Door", "open_socket"]

BACKLOG = 4096
"""The system has a limit of its own (net.core.somaxconn), 4096 too since Linux 5.4."""
FAILURES_TO_REFUSE = 3
"""Starts in a row that came to nothing, until those who wait are told so."""
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0

numbers = itertools.count()


class Door:
    """Changes with the deployment; its socket stays the same."""

    def __init__(self, deployment: Deployment, version: Version, path: Path) -> None:
        self.deployment = deployment
        self.version = version
        self.path = path
        self.listener = open_socket(path)
        self.workers: dict[str, Worker] = {}
        """By owner."""
        self.waiting_since: float | None = None
        """Since when somebody has been waiting there without a break."""
        self.started = 0.0
        """When it got its last worker."""
        self.look: asyncio.TimerHandle | None = None
        """The next look at it, where one is due."""
        self.failures = 0
        """Workers in a row that ended before they served anything."""
        self.reason = ""
        """Why the last one did."""
        self.paused_until = 0.0
        """No start before."""
        self.closed = False

    @property
    def tenant_id(self) -> str:
        return self.deployment.tenant_id

    @property
    def label(self) -> str:
        """How log lines call it."""
        return f"{self.deployment.tenant_slug}/{self.deployment.slug} {self.version.number}"

    @property
    def refuses(self) -> bool:
        """So many starts have failed that those who wait are told so, instead of waiting on."""
        return self.failures >= FAILURES_TO_REFUSE

    def count(self) -> tuple[int, int, int]:
        """Workers that are coming, that have a free place, that have none; not those that are ending."""
        coming = free = busy = 0
        for worker in self.workers.values():
            vitals = worker.vitals
            if worker.ending:
                continue
            if vitals.state is State.STARTING:
                coming += 1
            elif vitals.taken < worker.places:
                free += 1
            else:
                busy += 1
        return coming, free, busy

    def note_failure(self, now: float, reason: str) -> float:
        """A worker ended before it served anything: how long to wait before the next one."""
        self.failures += 1
        self.reason = reason
        pause = min(FIRST_PAUSE_SECONDS * 2.0 ** (self.failures - 1), LONGEST_PAUSE_SECONDS)
        self.paused_until = now + pause
        return pause

    def note_success(self) -> None:
        """A worker served."""
        self.failures = 0
        self.reason = ""
        self.paused_until = 0.0

    def close(self) -> None:
        """Nobody can connect any more; who waits is cut off, and asks again elsewhere."""
        self.closed = True
        if self.look is not None:
            self.look.cancel()
        self.listener.close()


def open_socket(path: Path) -> socket.socket:
    """Listen at a path. What a dead activator left there is replaced in one step, so that the place is never empty."""
    scratch = path.with_name(f".{os.getpid()}-{next(numbers)}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.bind(str(scratch))
        scratch.chmod(0o600)
        listener.listen(BACKLOG)
        scratch.replace(path)
    except OSError:
        listener.close()
        scratch.unlink(missing_ok=True)
        raise
    return listener
