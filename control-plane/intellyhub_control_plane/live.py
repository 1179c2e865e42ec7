"""How flows are at this moment, as the other processes tell: workers, sources, last runs.

What cannot be reached is shown as unknown, never as an error: a list of flows is worth more than the reason why one of
its columns is empty, which `GET /api/health` tells.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from intellyhub_control_plane.doors import ask
from intellyhub_control_plane.errors import Unreachable
from intellyhub_control_plane.journal_names import flow_id_of, journal_name
from intellyhub_control_plane.present.builds import Building
from intellyhub_control_plane.present.runs import last_suspension
from intellyhub_control_plane.recent import Recent
from intellyhub_control_plane.target.statuses import FlowStatuses, NoStatuses
from intellyhub_engine.errors import JournalError, RunNotFound
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.ledger import read_page
from intellyhub_engine.journal.records import RunStatus, RunSummary, RunSuspended
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.sources.standing import show_page

if TYPE_CHECKING:
    from intellyhub_knative.platform.journal.client import JournalClient

__all__ = ["Known", "Live"]

LOG = logging.getLogger(__name__)
FRESH_SECONDS = 1.0
ASK_SECONDS = 1.0
STANDING_SECONDS = 5.0
"""Sources on a cluster write down how they stand every few seconds at most."""
WAIT_SECONDS = 600.0
"""What a run waits for does not change while it waits; a new wait has a key of its own."""


@dataclass(frozen=True, kw_only=True)
class Live:
    """Asks the other processes, once a second at most."""

    layout: Layout
    journal: JournalClient
    statuses: FlowStatuses = field(default_factory=NoStatuses)
    """On a cluster they stand for the pages of the other processes."""
    pages: Recent[Mapping[str, Any] | Unreachable] = field(default_factory=lambda: Recent(FRESH_SECONDS))
    newest: Recent[Mapping[str, RunSummary]] = field(default_factory=lambda: Recent(FRESH_SECONDS))
    waits: Recent[RunSuspended | None] = field(default_factory=lambda: Recent(WAIT_SECONDS))
    standings: Recent[Mapping[str, Any]] = field(default_factory=lambda: Recent(STANDING_SECONDS))

    def workers(self, tenant_id: str) -> Sequence[Mapping[str, Any]]:
        """The tenant's workers that are awake. Raises `Unreachable`."""
        return [worker for worker in self.all_workers() if worker.get("tenant_id") == tenant_id]

    def all_workers(self) -> Sequence[Mapping[str, Any]]:
        """Every tenant's workers. Raises `Unreachable`."""
        return self._items("activator", "/workers")

    def failing(self, flow_ids: Sequence[str]) -> Mapping[str, str]:
        """Why workers of these flows cannot start, by flow id. Raises `Unreachable`."""
        items = self._items("activator", "/workers", "failing")
        return {str(item["flow_id"]): str(item["reason"]) for item in items if item.get("flow_id") in flow_ids}

    def sources(self, tenant_id: str) -> Mapping[str, Mapping[str, Any]]:
        """The tenant's sources, by flow id. Raises `Unreachable`."""
        found = of_tenant(self._items("sources", "/sources"), tenant_id)
        if not self.statuses.are_there:
            return found
        return {flow_id: self._as_it_says(journal_name(tenant_id, flow_id), item) for flow_id, item in found.items()}

    def _as_it_says(self, flow: str, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the cluster says of a source, and over that what the source says of itself: it may be ready, and its
        server away. One that the cluster cannot run has nothing to say."""

        def look() -> Mapping[str, Any]:
            page = read_page(self.journal, flow)
            return {} if page is None else show_page(page)

        try:
            return {**item, **self.standings.get(flow, look)} if item.get("connected") else item
        except JournalError as fault:
            LOG.warning("how the source of %s stands cannot be told: %s", flow, fault)
            return item

    def hooks(self, tenant_id: str) -> Mapping[str, Mapping[str, Any]]:
        """The tenant's webhooks as the gateway has them, by flow id; none where it cannot be asked, for then nobody
        can call them either, and nobody us."""
        try:
            return of_tenant(self._items("gateway", "/sources"), tenant_id)
        except Unreachable:
            return {}

    def wait_of(self, run: RunSummary) -> RunSuspended | None:
        """What a run of a list waits for; None for one that does not wait any more. Raises `JournalError`."""

        def look() -> RunSuspended | None:
            try:
                history = self.journal.history(run.run_id)
            except RunNotFound:
                return None
            return last_suspension(history.entries) if history.status is RunStatus.WAITING else None

        if run.status is not RunStatus.WAITING:
            return None
        return self.waits.get(f"{run.run_id} {run.steps} {run.wake_ns}", look)

    def last_runs(self, tenant_id: str, flow_ids: Sequence[str]) -> Mapping[str, RunSummary]:
        """The newest run of each flow that has one, by flow id. Raises `JournalError`."""

        def look() -> Mapping[str, RunSummary]:
            newest = self.journal.latest([journal_name(tenant_id, flow_id) for flow_id in flow_ids])
            return {flow_id_of(run.flow): run for run in newest}

        return self.newest.get(f"{tenant_id} {' '.join(flow_ids)}", look)

    def known(self, tenant_id: str, flow_ids: Sequence[str]) -> Known:
        """All of it; what cannot be reached is empty."""
        try:
            workers = states_of(self.workers(tenant_id))
            failing = self.failing(flow_ids)
        except Unreachable:
            workers, failing = {}, {}
        try:
            sources: Mapping[str, Mapping[str, Any]] | None = self.sources(tenant_id)
        except Unreachable:
            sources = None
        try:
            last_runs: Mapping[str, RunSummary] = self.last_runs(tenant_id, flow_ids)
        except JournalError as fault:
            LOG.warning("the last runs cannot be told: %s", fault)
            last_runs = {}
        return Known(
            workers=workers,
            failing=failing,
            sources=sources,
            hooks=self.hooks(tenant_id),
            last_runs=last_runs,
            deployed=self.deployed(flow_ids),
        )

    def deployed(self, flow_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """How these flows stand on the cluster, by id; nothing on one machine, or where nobody can tell."""
        try:
            known = self.statuses.all()
        except Unreachable:
            return {}
        return {flow_id: known[flow_id] for flow_id in flow_ids if flow_id in known}

    def _items(self, part: str, target: str, key: str = "items") -> Sequence[Mapping[str, Any]]:
        def look() -> Mapping[str, Any] | Unreachable:
            try:
                if self.statuses.are_there:
                    return self.statuses.page(part)
                answer = ask(part, self.layout.socket(part), "GET", target, timeout_seconds=ASK_SECONDS)
            except Unreachable as fault:
                return fault  # kept too: not every request is to wait for one that does not answer
            document = answer.document
            if answer.status != 200 or not isinstance(document, dict):
                return Unreachable(part, f"it answered {answer.status}")
            return document

        page = self.pages.get(part, look)
        if isinstance(page, Unreachable):
            raise Unreachable(page.part, page.reason)
        items = page.get(key, [])
        return items if isinstance(items, list) else []


def of_tenant(items: Sequence[Mapping[str, Any]], tenant_id: str) -> Mapping[str, Mapping[str, Any]]:
    """A tenant's own, by flow id."""
    return {str(item["flow_id"]): item for item in items if item.get("tenant_id") == tenant_id}


def states_of(workers: Sequence[Mapping[str, Any]]) -> Mapping[str, Sequence[str]]:
    """What the workers of each flow are doing, by flow id."""
    states: dict[str, list[str]] = {}
    for worker in workers:
        states.setdefault(str(worker["flow_id"]), []).append(str(worker.get("state")))
    return states


@dataclass(frozen=True, kw_only=True)
class Known:
    """What could be learned of a tenant's flows."""

    workers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What each worker that is awake is doing, by flow id."""
    failing: Mapping[str, str] = field(default_factory=dict)
    """Why workers cannot start, by flow id."""
    sources: Mapping[str, Mapping[str, Any]] | None = field(default_factory=dict)
    """By flow id; None where nobody can tell."""
    hooks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By flow id."""
    last_runs: Mapping[str, RunSummary] = field(default_factory=dict)
    deployed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """How flows stand on the cluster, by id."""
    building: Mapping[str, Building] = field(default_factory=dict)
    """What is to be said of builds on a cluster, by flow id."""

    def workers_of(self, flow_id: str) -> int:
        """How many of a flow's workers are awake."""
        return len(self.workers.get(flow_id, ()))

    def is_busy(self, flow_id: str) -> bool:
        """Whether one of a flow's workers is at work."""
        return "busy" in self.workers.get(flow_id, ())
