"""What the journal service shows of itself in the network: whether it lives, whether it works, and figures."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from intellyhub_knative.platform.journal.http_door import HttpDoor, Page
from intellyhub_knative.platform.journal.reception import Reception

__all__ = ["make_pages"]


def make_pages(reception: Reception) -> Mapping[str, Page]:
    """`/healthz`: the process answers. `/readyz`: it owns the database. `/metrics`: for Prometheus."""
    registry = CollectorRegistry()
    registry.register(Figures(reception))

    def ready() -> tuple[int, bytes]:
        if reception.house is None:
            return 503, b"waiting for the database, or for the service that owns it\n"
        return 200, b"ready\n"

    return {
        "/healthz": lambda: (200, b"ok\n"),
        "/readyz": ready,
        "/metrics": lambda: (200, generate_latest(registry)),
    }


class Figures(Collector):
    """Read when the page is."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def collect(self) -> list[Metric]:
        """The figures of this moment."""
        house = self._reception.house
        commits = None if house is None else house.store.commits
        return [
            GaugeMetricFamily(
                "intellyhub_journal_owner", "1 where this service owns the journal.", value=float(house is not None)
            ),
            GaugeMetricFamily(
                "intellyhub_journal_connections",
                "Clients connected.",
                value=0 if house is None else len(house.connections),
            ),
            GaugeMetricFamily(
                "intellyhub_journal_strangers", "Connections that are not let in yet.", value=HttpDoor.strangers
            ),
            CounterMetricFamily(
                "intellyhub_journal_refused", "Tokens that were refused.", value=self._reception.refused
            ),
            CounterMetricFamily(
                "intellyhub_journal_commits", "Transactions, of this ownership.", value=commits.count if commits else 0
            ),
            CounterMetricFamily("intellyhub_journal_writes", "Writes in them.", value=commits.writes if commits else 0),
            CounterMetricFamily(
                "intellyhub_journal_commit_seconds", "Time they took.", value=commits.seconds if commits else 0.0
            ),
        ]
