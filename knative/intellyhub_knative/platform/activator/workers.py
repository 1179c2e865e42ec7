"""A worker as the activator knows it, from the decision to start it to its end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from intellyhub_knative.platform.activator import channel
from intellyhub_knative.platform.activator.page import Page, State, Vitals, make_page
from intellyhub_knative.platform.activator.parent import Child

__all__ = ["Worker"]

WEIGH_SECONDS = 5.0
NOTHING = Vitals(State.STARTING, 0, 0, None)


class Worker:
    """One worker. It has no process until a forked child is `given` to it."""

    def __init__(self, owner: str, places: int) -> None:
        self.owner = owner
        """What the journal calls it."""
        self.places = places
        self.created = time.monotonic()
        self.assigned = self.created
        """When it got a process."""
        self.started_at = time.time()
        self.stopping = False
        """It was told to end."""
        self.verdict: str | None = None
        """Why it was killed: becomes the error of its runs."""
        self.failure = ""
        """Why it could not start, in its own words."""
        self.quiet = self.created
        """Since when it has taken nobody, as far as was seen."""
        self._seen = 0
        self._weight: int | None = None
        self._weighed = 0.0
        self._child: Child | None = None
        self._page: Page | None = None

    @property
    def pid(self) -> int | None:
        """None while it waits for a process."""
        return self._child.pid if self._child is not None else None

    @property
    def vitals(self) -> Vitals:
        """How it stands."""
        return self._page.read() if self._page is not None else NOTHING

    @property
    def ending(self) -> bool:
        """It takes nothing more."""
        return self.stopping or self.vitals.state is State.ENDING

    @property
    def idle(self) -> bool:
        """It serves, and has nothing to do."""
        vitals = self.vitals
        return not self.stopping and vitals.state is State.SERVING and vitals.taken == 0

    def look(self, now: float) -> None:
        """Note whether it has taken somebody since the last look."""
        vitals = self.vitals
        if vitals.taken or vitals.requests != self._seen:
            self.quiet, self._seen = now, vitals.requests

    @property
    def channel(self) -> socket.socket:
        """To its process."""
        assert self._child is not None
        return self._child.channel

    def give(self, child: Child, message: Any, listener: socket.socket, private: int) -> None:
        """Make a waiting child this worker. Raises OSError when the child has died meanwhile."""
        page = make_page()
        try:
            channel.send(child.channel, message, [listener.fileno(), page, private])
        except OSError:
            os.close(page)
            raise
        self._child, self._page = child, Page(page)
        self.assigned = time.monotonic()

    def stop(self) -> None:
        """Let it finish what it has in hand, and end."""
        self.stopping = True
        self._signal(signal.SIGTERM)

    def kill(self, verdict: str | None = None) -> None:
        """End it now. With a verdict its runs fail, and say so."""
        self.stopping = True
        self.verdict = self.verdict or verdict
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        """Release what belongs to it. Its process has ended."""
        if self._child is not None:
            self._child.close()
        if self._page is not None:
            self._page.close()

    def describe(self) -> dict[str, Any]:
        """As `GET /workers` tells it."""
        vitals = self.vitals
        state = "busy" if vitals.taken else "idle"
        if self.ending:
            state = "stopping"
        elif vitals.state is State.STARTING:
            state = "starting"
        return {
            "pid": self.pid,
            "state": state,
            "started_at": self.started_at,
            "in_flight": vitals.taken,
            "requests": vitals.requests,
            "memory_bytes": self._weigh(),
            "owner": self.owner,
        }

    def _weigh(self) -> int | None:
        """Its memory, as of a few seconds ago: adding up its pages takes the kernel some 0.2 ms."""
        now = time.monotonic()
        if self._weight is None or now - self._weighed > WEIGH_SECONDS:
            self._weight, self._weighed = measure_memory(self.pid), now
        return self._weight

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._child.handle, number)


def measure_memory(pid: int | None) -> int | None:
    """Its share of the memory in use (PSS) where the system tells it, else what it has mapped in all (RSS)."""
    if pid is None:
        return None
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None
