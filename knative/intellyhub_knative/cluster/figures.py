"""What the reconciler shows of itself: for Prometheus, and for a person."""

from __future__ import annotations

from collections import Counter
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from intellyhub_knative.cluster.client import ClusterClient
from intellyhub_knative.cluster.leader import Candidate
from intellyhub_knative.cluster.reconciler import Reconciler
from intellyhub_knative.cluster.statuses import FLOW, StatusKeeper
from intellyhub_knative.cluster.tenant import TenantDeployer

__all__ = ["Figures"]


class Figures(Collector):
    """Reads the parts when it is asked."""

    def __init__(
        self,
        *,
        client: ClusterClient,
        reconciler: Reconciler,
        tenants: TenantDeployer,
        statuses: StatusKeeper,
        candidate: Candidate,
    ) -> None:
        self._client, self._reconciler, self._tenants = client, reconciler, tenants
        self._statuses, self._candidate = statuses, candidate
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)

    def state(self) -> dict[str, Any]:
        """For a person: JSON."""
        return {
            "leads": self._candidate.leads,
            "identity": self._candidate.identity,
            "waiting": self._reconciler.queue.waiting,
            "failing": self._reconciler.queue.failing,
            "passes": dict(self._reconciler.passes),
            "flows": dict(self._flows()),
        }

    def collect(self) -> list[Metric]:
        """As prometheus-client asks it."""
        queue, name = self._reconciler.queue, "intellyhub_reconciler_"
        passes = CounterMetricFamily(name + "passes", "Looks at a tenant or a flow", labels=["kind"])
        for kind, count in self._reconciler.passes.items():
            passes.add_metric([kind], count)
        conflicts = CounterMetricFamily(name + "conflicts", "Fields taken back from others", labels=["kind"])
        for kind, count in self._client.conflicts.items():
            conflicts.add_metric([kind], count)
        flows = GaugeMetricFamily(name + "flows", "Flows, by how far they are", labels=["state"])
        for state, count in self._flows().items():
            flows.add_metric([state], count)
        return [
            GaugeMetricFamily(name + "leads", "1: this one works", value=int(self._candidate.leads)),
            GaugeMetricFamily(name + "waiting", "Tenants and flows that are due", value=queue.waiting),
            GaugeMetricFamily(name + "failing", "Tenants and flows whose last look failed", value=queue.failing),
            CounterMetricFamily(name + "repaired_channels", "Channels made anew", value=self._tenants.repaired),
            passes,
            conflicts,
            flows,
        ]

    def _flows(self) -> Counter[str]:
        return Counter(str(document.get("state")) for document in self._statuses.of(FLOW).values())
