"""Resumes what nobody works on any more: waiting runs whose time has come, runs whose worker died."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from intellyhub_engine.errors import EngineError, LeaseLost
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.serving.problems import RequestRefused

__all__ = ["Sweeper"]

LOG = logging.getLogger(__name__)


class Sweeper:
    """A thread that looks every few seconds, first at its start, until it is stopped."""

    def __init__(
        self,
        *,
        due: Callable[[], Sequence[str]],
        resume: Callable[[str], RunResult],
        interval_seconds: float,
    ) -> None:
        self._due = due
        self._resume = resume
        self._interval_seconds = interval_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further run; a run in hand goes on. May be called from a signal handler."""
        self._stopping.set()

    def sweep(self) -> int:
        """Resume what is due; how many were."""
        resumed = 0
        for run_id in self._due():
            if self._stopping.is_set():
                break
            try:
                result = self._resume(run_id)
            except LeaseLost:
                continue  # another worker was faster
            except RequestRefused as refusal:
                LOG.info("the run %s waits for the next sweep: %s", run_id, refusal)
                break
            LOG.info("the run %s was resumed: %s", run_id, result.status.value)
            resumed += 1
        return resumed

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self.sweep()
            except EngineError as fault:
                LOG.error("the sweep failed: %s", fault)  # noqa: TRY400 - the message is meant for an operator
            except Exception:
                LOG.exception("the sweep failed")
            self._stopping.wait(self._interval_seconds)
