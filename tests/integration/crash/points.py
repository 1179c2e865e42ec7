"""The instants of a run at which its process may die: before and after every journal call and every effect."""

import os
import signal
import threading


class Points:
    """Counts the instants a process passes, and kills it at the one asked for."""

    def __init__(self, kill_at):
        self.kill_at = kill_at
        """From 1; None lets the process live."""
        self.passed = 0
        self._lock = threading.Lock()

    def reach(self):
        with self._lock:
            self.passed += 1
            if self.passed == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


class MortalJournal:
    """A journal whose process may die before or after each call that writes."""

    def __init__(self, journal, points):
        self._journal = journal
        self._points = points

    def __getattr__(self, name):
        method = getattr(self._journal, name)
        if name not in {"begin", "record", "claim"}:
            return method

        def call(*arguments, **options):
            self._points.reach()
            answer = method(*arguments, **options)
            self._points.reach()
            return answer

        return call
