"""What the activator counts, in Prometheus' text format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["Tallies"]


class Tallies:
    """Counts since the activator started."""

    def __init__(self) -> None:
        self.started = 0
        self.crashed = 0
        self.hung = 0
        self.failed = 0
        self.evicted = 0
        self.refused = 0

    def render(self, *, sockets: int, states: Iterable[str], waiting: Mapping[str, int]) -> str:
        """The page a scraper reads; `states` holds one word per worker, `waiting` counts children without work."""
        counted = dict.fromkeys(("starting", "busy", "idle", "stopping"), 0)
        for state in states:
            counted[state] = counted.get(state, 0) + 1
        lines = [
            "# HELP intellyhub_worker_events_total What happened to workers.",
            "# TYPE intellyhub_worker_events_total counter",
            *(f'intellyhub_worker_events_total{{event="{name}"}} {count}' for name, count in vars(self).items()),
            "# HELP intellyhub_workers Workers by what they are at.",
            "# TYPE intellyhub_workers gauge",
            *(f'intellyhub_workers{{state="{state}"}} {count}' for state, count in counted.items()),
            "# HELP intellyhub_flow_sockets Sockets of flow versions that are open.",
            "# TYPE intellyhub_flow_sockets gauge",
            f"intellyhub_flow_sockets {sockets}",
            "# HELP intellyhub_spare_workers Forked children that wait to become workers.",
            "# TYPE intellyhub_spare_workers gauge",
            *(f'intellyhub_spare_workers{{readiness="{name}"}} {count}' for name, count in waiting.items()),
        ]
        return "\n".join(lines) + "\n"
