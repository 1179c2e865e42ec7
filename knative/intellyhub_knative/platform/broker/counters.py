"""What the broker counts, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from intellyhub_knative.platform.outbox import Due, Settlement

__all__ = ["Counters"]

BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


class Counters:
    """One broker's counts, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._routed = Counter("intellyhub_broker_routed", "Events routed.", ("to",), registry=registry)
        self.attempts = Histogram(
            "intellyhub_broker_attempt_seconds", "How long attempts took.", buckets=BOUNDS_SECONDS, registry=registry
        )
        self._settled = Counter(
            "intellyhub_broker_attempts", "Attempts by outcome and answer.", ("outcome", "code"), registry=registry
        )
        self.postponed = Counter(
            "intellyhub_broker_postponed", "Attempts that did not count: the flow was away or busy.", registry=registry
        )
        self._latency = Histogram(
            "intellyhub_broker_delivery_seconds",
            "From the acceptance of an event to the end of its delivery.",
            ("outcome",),
            buckets=BOUNDS_SECONDS,
            registry=registry,
        )
        self._resumed = Counter("intellyhub_broker_resumptions", "Due runs resumed.", ("outcome",), registry=registry)

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Show a value that is read when the page is."""
        Gauge(f"intellyhub_broker_{name}", description, registry=self._registry).set_function(value)

    def routed(self, flows: int) -> None:
        """An event was routed to so many flows."""
        self._routed.labels(str(flows) if flows < 2 else "several").inc()

    def settled(self, due: Due, settlement: Settlement) -> None:
        """An attempt came to something."""
        outcome = settlement.outcome.value
        self._settled.labels(outcome, str(settlement.code or "none")).inc()
        if outcome != "retry":
            self._latency.labels(outcome).observe(max(time.time_ns() - due.accepted_ns, 0) / 1e9)

    def resumed(self, outcome: str) -> None:
        """A due run was resumed, or refused, or not reached."""
        self._resumed.labels(outcome).inc()

    def render(self) -> bytes:
        """The page a scraper reads."""
        return generate_latest(self._registry)
