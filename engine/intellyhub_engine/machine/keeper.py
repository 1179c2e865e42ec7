"""Keeps the leases of the runs that this process works on, notices when someone cancels one of them, and shows what
their functions log while they still run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from intellyhub_engine.errors import JournalError, LeaseLost

if TYPE_CHECKING:
    from intellyhub_engine.machine.active import ActiveRun, Family

__all__ = ["Keeper"]

LOOK_SECONDS = 0.25
"""How often the journal is asked for cancellations: the longest that a long effect may miss one, and that a line it
logs may be shown late."""
IDLE_LOOKS = 20
"""After so many looks at nothing the thread ends; the next run starts another."""
RENEWALS = 3
"""How often a lease is renewed in its time."""


class Keeper:
    """One thread for all runs of a host; it lives only while effects are under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._families: dict[str, tuple[Family, int]] = {}
        self._speaking: dict[int, ActiveRun] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def watch(self, family: Family) -> None:
        """Look after a run until `forget`."""
        if family.watched:
            return
        family.watched = True
        with self._lock:
            self._families[family.root_id] = family, family.host.now_ns()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._keep, name="intellyhub-keeper", daemon=True)
                self._thread.start()

    def forget(self, family: Family) -> None:
        """The run has ended, or waits."""
        if family.watched:
            with self._lock:
                self._families.pop(family.root_id, None)
            family.watched = False

    def listen(self, run: ActiveRun) -> None:
        """Show at the next look what the run's function has logged."""
        self._speaking[id(run)] = run

    def _keep(self) -> None:
        idle = 0
        while True:
            self._stop.wait(LOOK_SECONDS)
            with self._lock:
                idle = 0 if self._families else idle + 1
                if idle >= IDLE_LOOKS:
                    self._thread = None
                    return
                families = list(self._families.values())
            while self._speaking:
                _, run = self._speaking.popitem()
                run.show()
            for family, renewed_ns in families:
                self._look_after(family, renewed_ns)

    def _look_after(self, family: Family, renewed_ns: int) -> None:
        host = family.host
        if host.journal is None:
            return
        try:
            if host.cancelled.is_set() or host.journal.cancel_requested(family.root_id):
                family.cancelled.set()
            now = host.now_ns()
            if now - renewed_ns > host.lease_seconds * 1e9 / RENEWALS:
                host.journal.renew(family.root_id, owner=host.owner, lease_seconds=host.lease_seconds)
                with self._lock:
                    if family.root_id in self._families:
                        self._families[family.root_id] = family, now
        except LeaseLost:
            family.lost = True
            family.cancelled.set()
        except JournalError as fault:
            import logging

            logging.getLogger("intellyhub.machine").warning(
                "the lease of run %s could not be renewed: %s", family.root_id, fault
            )
