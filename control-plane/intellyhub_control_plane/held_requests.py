"""Requests that are held until a run ends, though nobody waits for their answers.

A cluster takes a pod for idle as soon as no request is under way in it, and takes it away, in the middle of a run that
was answered with 202. So threads hold the requests that start runs; whoever asked looks into the journal meanwhile, and
goes when the run is there. When this process ends, its requests break off, and the journal goes on with the runs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from intellyhub_control_plane.doors import DoorAnswer
from intellyhub_control_plane.errors import Unreachable
from intellyhub_engine.errors import JournalError

__all__ = ["HeldRequests", "NoPlace"]

LOG = logging.getLogger(__name__)
MOST, MOST_OF_A_TENANT = 64, 16
"""Requests of a process: each takes a thread and a connection."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.25


class NoPlace(Exception):
    """As many are held as may be."""


class HeldRequests:
    """Those of one process. Thread-safe."""

    def __init__(self, most: int = MOST, most_of_a_tenant: int = MOST_OF_A_TENANT) -> None:
        self._most, self._most_of_a_tenant = most, most_of_a_tenant
        self._by_tenant: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def number(self) -> int:
        """How many are held now."""
        return self._by_tenant.total()

    def ask(
        self, tenant_id: str, send: Callable[[], DoorAnswer], has_begun: Callable[[], bool], seconds: float
    ) -> DoorAnswer | None:
        """Send a request, and give its answer; None as soon as what it asks for has begun, whatever comes of it. Raises
        `NoPlace` before anything was sent, what `send` raises, and `Unreachable` where nothing has begun in time; the
        request is still held then."""
        self._enter(tenant_id)
        held = Held(send, lambda: self._leave(tenant_id))
        try:
            threading.Thread(target=held.carry, name="held", daemon=True).start()
        except RuntimeError as fault:  # the system gives no more threads
            self._leave(tenant_id)
            raise NoPlace from fault
        deadline, pause = time.monotonic() + seconds, FIRST_PAUSE_SECONDS
        while not held.done.wait(pause):
            if is_so(has_begun):
                return None
            if time.monotonic() > deadline:
                raise Unreachable("flow", f"nothing has begun within {seconds:g} seconds; it may begin yet")
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return held.answer()

    def _enter(self, tenant_id: str) -> None:
        with self._lock:
            if self.number >= self._most or self._by_tenant[tenant_id] >= self._most_of_a_tenant:
                raise NoPlace
            self._by_tenant[tenant_id] += 1

    def _leave(self, tenant_id: str) -> None:
        with self._lock:
            self._by_tenant[tenant_id] -= 1
            if not self._by_tenant[tenant_id]:
                del self._by_tenant[tenant_id]


class Held:
    """One request, and what came of it."""

    def __init__(self, send: Callable[[], DoorAnswer], leave: Callable[[], None]) -> None:
        self._send, self._leave = send, leave
        self._outcome: DoorAnswer | Exception | None = None
        self.done = threading.Event()

    def carry(self) -> None:
        """The thread."""
        try:
            self._outcome = self._send()
        except Exception as fault:  # noqa: BLE001 - raised again in the thread that waits, if it still does
            LOG.info("a held request broke off: %s", fault)
            self._outcome = fault
        finally:
            self._leave()
            self.done.set()

    def answer(self) -> DoorAnswer:
        """Once it is done. Raises what the request raised."""
        if isinstance(self._outcome, DoorAnswer):
            return self._outcome
        assert self._outcome is not None
        raise self._outcome


def is_so(has_begun: Callable[[], bool]) -> bool:
    """Whether it has begun; a journal that is away for a moment does not say."""
    try:
        return has_begun()
    except JournalError:
        return False
