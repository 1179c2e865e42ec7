"""How flows stand on the cluster: the rows that the reconciler writes, as answers to what others ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from intellyhub_control_plane.errors import Unreachable
from intellyhub_control_plane.recent import Recent
from intellyhub_control_plane.target.statuses import Status
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.desired_records import RecordStore, RecordsUnavailable, StatusKind

__all__ = ["ClusterStatuses"]

FRESH_SECONDS = 1.0
BROKEN = frozenset(("failing", "failed"))


@dataclass(frozen=True, kw_only=True)
class ClusterStatuses:
    """Of a cluster: rows that the reconciler writes."""

    store: RecordStore
    recent: Recent[Mapping[str, Status]] = field(default_factory=lambda: Recent(FRESH_SECONDS))

    @property
    def are_there(self) -> bool:
        """As promised by `FlowStatuses`."""
        return True

    def all(self) -> Mapping[str, Status]:
        """As promised by `FlowStatuses`."""
        try:
            return self.recent.get("all", lambda: self.store.statuses(StatusKind.FLOW))
        except RecordsUnavailable as fault:
            raise Unreachable("reconciler", str(fault)) from fault

    def of(self, flow_id: str) -> Status:
        """As promised by `FlowStatuses`."""
        try:
            return self.store.status(StatusKind.FLOW, flow_id) or {}
        except RecordsUnavailable as fault:
            raise Unreachable("reconciler", str(fault)) from fault

    def page(self, part: str) -> Mapping[str, Sequence[Status]]:
        """As promised by `FlowStatuses`. Workers are pods: the cluster counts them, and we do not ask it."""
        statuses = self.all()
        if part == "activator":
            failing = [
                {"flow_id": flow_id, "reason": status.get("message") or status.get("reason")}
                for flow_id, status in statuses.items()
                if status.get("state") in BROKEN
            ]
            return {"items": [], "failing": failing}
        if part == "sources":
            return {
                "items": [make_source(flow_id, status) for flow_id, status in statuses.items() if has_source(status)]
            }
        return {"items": []}


def has_source(status: Status) -> bool:
    """Whether the cluster has something that listens for the flow."""
    return isinstance(status.get("source"), Mapping)


def make_source(flow_id: str, status: Status) -> Status:
    """As the sources' process of one machine tells of a source."""
    source = status["source"]
    return {
        "flow_id": flow_id,
        "tenant_id": status.get("tenant_id"),
        "connected": bool(source.get("ready")),
        "message": str(source.get("message") or ("" if source.get("ready") else "starting")),
    }
