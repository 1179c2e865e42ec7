"""Figures for Prometheus: what requests took, and how flows, runs and events stand at this moment."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from time import perf_counter

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from intellyhub_control_plane.errors import Unreachable
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.people import Tenant, User
from intellyhub_control_plane.platform import Platform
from intellyhub_control_plane.scratch import MULTIPROCESS
from intellyhub_engine.errors import JournalError

__all__ = ["measure_requests", "render_metrics"]

LOG = logging.getLogger(__name__)
BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60)
SECONDS = Histogram(
    "intellyhub_request_seconds",
    "What requests to the API took.",
    ("operation", "status"),
    buckets=BUCKETS,
)


def measure_requests(app: Flask) -> None:
    """Time every request, by what it asked for."""

    def begin() -> None:
        g.began = perf_counter()

    def end(response: Response) -> Response:
        operation = request.endpoint or "none"
        SECONDS.labels(operation, f"{response.status_code // 100}xx").observe(perf_counter() - g.began)
        return response

    app.before_request(begin)
    app.after_request(end)


def render_metrics(platform: Platform) -> bytes:
    """The page."""
    registry = CollectorRegistry()
    if os.environ.get(MULTIPROCESS):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(SECONDS)
    registry.register(Standing(platform))
    return generate_latest(registry)


class Standing(Collector):
    """What is counted when it is asked for."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """A figure that cannot be had is left out, so that nobody takes it for zero."""
        yield from self.records()
        try:
            yield from self.journal()
        except JournalError as fault:
            LOG.warning("the journal's figures are left out: %s", fault)
        try:
            yield from self.workers()
        except Unreachable as fault:
            LOG.warning("the workers' figures are left out: %s", fault)

    def records(self) -> Iterator[GaugeMetricFamily]:
        """Rows of the database, over all tenants."""
        with self.platform.database.transaction(writing=False) as session:
            for name, table in (("flows", Flow), ("tenants", Tenant), ("users", User)):
                number = session.scalar(select(func.count()).select_from(table)) or 0
                yield GaugeMetricFamily(f"intellyhub_{name}", f"How many {name} there are.", value=number)

    def journal(self) -> Iterator[GaugeMetricFamily]:
        """Runs by status, events on their way."""
        counted = self.platform.journal.counts_of(under="")
        runs = GaugeMetricFamily("intellyhub_runs", "Runs in the journal.", labels=["status"])
        for status, number in counted.items():
            runs.add_metric([status], number)
        yield runs
        counts = self.platform.journal.counts()
        for name, key, text in (
            ("events_unrouted", "unrouted", "Events that the broker has not looked at."),
            ("deliveries_pending", "pending", "Deliveries that are to be attempted."),
            ("dead_letters", "dead", "Deliveries that were given up."),
        ):
            yield GaugeMetricFamily(f"intellyhub_{name}", text, value=counts[key])

    def workers(self) -> Iterator[GaugeMetricFamily]:
        """Processes that serve flows."""
        states = [str(worker.get("state")) for worker in self.platform.live.all_workers()]
        workers = GaugeMetricFamily("intellyhub_workers", "Workers that are awake.", labels=["state"])
        for state in ("starting", "busy", "idle", "stopping"):
            workers.add_metric([state], states.count(state))
        yield workers
