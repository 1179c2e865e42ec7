"""A page of memory that a worker shares with the activator: how it stands, without a message for every request."""

from __future__ import annotations

import mmap
import os
import struct
from enum import IntEnum
from typing import NamedTuple

__all__ = ["Page", "State", "Vitals", "make_page"]

BYTES = mmap.PAGESIZE
NUMBER = struct.Struct("@Q")
MOMENT = struct.Struct("@d")
STATE, TAKEN, REQUESTS, SINCE = range(0, 32, 8)
"""Where each value stands: eight bytes each, so that none is ever seen half written."""


class State(IntEnum):
    """What a worker is at."""

    STARTING = 0
    SERVING = 1
    ENDING = 2  # it accepts nothing more


class Vitals(NamedTuple):
    """What a worker says about itself. It runs its tenant's flows, so it is believed only about itself."""

    state: State
    taken: int
    """Places in use."""
    requests: int
    """Requests that it has taken."""
    since: float | None
    """When the oldest of the runs that execute now began (`time.monotonic`, which all processes share)."""


class Page:
    """One worker's page. The worker writes, the activator reads."""

    def __init__(self, descriptor: int) -> None:
        """Maps the memory file and closes the descriptor."""
        self._memory = mmap.mmap(descriptor, BYTES)
        os.close(descriptor)

    def close(self) -> None:
        """Unmap it."""
        self._memory.close()

    def write_state(self, state: State) -> None:
        """Say what the worker is at."""
        NUMBER.pack_into(self._memory, STATE, state)

    def write_taken(self, taken: int) -> None:
        """Say how many places are in use."""
        NUMBER.pack_into(self._memory, TAKEN, taken)

    def write_requests(self, requests: int) -> None:
        """Say how many requests were taken so far."""
        NUMBER.pack_into(self._memory, REQUESTS, requests)

    def write_since(self, since: float | None) -> None:
        """Say when the oldest run in hand began."""
        MOMENT.pack_into(self._memory, SINCE, since or 0.0)

    def read(self) -> Vitals:
        """How the worker stands. Nonsense is read as a worker that does nothing."""
        state, taken, requests = struct.unpack_from("@QQQ", self._memory)
        (since,) = MOMENT.unpack_from(self._memory, SINCE)
        known = State(state) if state in (0, 1, 2) else State.ENDING
        return Vitals(known, taken, requests, since if since > 0 else None)


def make_page() -> int:
    """A memory file for one page; the descriptor is the caller's to close."""
    descriptor = os.memfd_create("intellyhub-worker", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, BYTES)
    return descriptor
