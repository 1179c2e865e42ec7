"""What a worker counts, in Prometheus' text format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metrics:
    """Counts of one worker. Safe to use from several threads."""

    def __init__(self, flow: str) -> None:
        self.flow = flow
        self._lock = threading.Lock()
        self._runs: Counter[str] = Counter()
        self._answers: Counter[int] = Counter()
        self._durations = [0] * (len(BOUNDS_SECONDS) + 1)
        self._seconds = 0.0

    def count_run(self, status: str, duration_seconds: float) -> None:
        """A run ended or was suspended."""
        with self._lock:
            self._runs[status] += 1
            self._durations[bisect_left(BOUNDS_SECONDS, duration_seconds)] += 1
            self._seconds += duration_seconds

    def count_answer(self, status: int) -> None:
        """A request was answered."""
        with self._lock:
            self._answers[status] += 1

    def render(self, in_flight: int) -> bytes:
        """The page a scraper reads; `in_flight` runs execute or wait for their turn."""
        with self._lock:
            lines = [*self._render_counts(in_flight), *self._render_durations()]
        return ("\n".join(lines) + "\n").encode()

    def _render_counts(self, in_flight: int) -> list[str]:
        flow = escape(self.flow)
        return [
            "# HELP intellyhub_runs_total Runs by how they came out.",
            "# TYPE intellyhub_runs_total counter",
            *(
                f'intellyhub_runs_total{{flow="{flow}",status="{status}"}} {count}'
                for status, count in sorted(self._runs.items())
            ),
            "# HELP intellyhub_answers_total Requests by the status of their answer.",
            "# TYPE intellyhub_answers_total counter",
            *(
                f'intellyhub_answers_total{{flow="{flow}",code="{status}"}} {count}'
                for status, count in sorted(self._answers.items())
            ),
            "# HELP intellyhub_runs_in_flight Runs executing or waiting for their turn.",
            "# TYPE intellyhub_runs_in_flight gauge",
            f'intellyhub_runs_in_flight{{flow="{flow}"}} {in_flight}',
        ]

    def _render_durations(self) -> list[str]:
        flow = escape(self.flow)
        name = "intellyhub_run_duration_seconds"
        lines = [f"# HELP {name} How long runs took in this process.", f"# TYPE {name} histogram"]
        total = 0
        for bound, count in zip((*(f"{bound:g}" for bound in BOUNDS_SECONDS), "+Inf"), self._durations, strict=True):
            total += count
            lines.append(f'{name}_bucket{{flow="{flow}",le="{bound}"}} {total}')
        return [*lines, f'{name}_sum{{flow="{flow}"}} {self._seconds:.6f}', f'{name}_count{{flow="{flow}"}} {total}']


def escape(value: str) -> str:
    """A label's value."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
