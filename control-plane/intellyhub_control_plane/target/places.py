"""Where versions of flows answer: behind their sockets on one machine, at their names on a cluster."""

from __future__ import annotations

import time
from typing import Protocol

from intellyhub_control_plane.doors import Named, Place, ask
from intellyhub_control_plane.errors import NotNow, Unreachable
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.target.publishing import Publisher
from intellyhub_control_plane.target.statuses import FlowStatuses
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.flows import find_address

__all__ = ["ClusterPlaces", "LocalPlaces", "Places"]

PATIENCE_SECONDS = 5.0
"""For a socket to be opened: the activator may be starting again."""
TAG_SECONDS = 20.0
"""For an older version to get a name again, and a revision where it has lost its own."""
PAUSE_SECONDS = 0.25


class Places(Protocol):
    """Finds flows."""

    def place_of(self, flow: Flow, number: int) -> Place:
        """Where a version of a flow answers; an older one is deployed beside the current one. Raises `Unreachable`."""


@dataclass(frozen=True, kw_only=True)
class LocalPlaces:
    """Sockets, which the activator holds."""

    publisher: Publisher

    def place_of(self, flow: Flow, number: int) -> Place:
        """As promised by `Places`."""
        layout = self.publisher.target.layout
        if number != flow.current_version:
            self.publisher.publish_flow(flow.tenant_id, flow.id, keep=(number,))
            target, activator = f"/sockets/{flow.id}/{number}", layout.socket("activator")
            ask("activator", activator, "PUT", target, patience_seconds=PATIENCE_SECONDS)
        return layout.flow_socket(flow.id, number)


@dataclass(frozen=True, kw_only=True)
class ClusterPlaces:
    """Names of Services, and of versions by their tag."""

    publisher: Publisher
    statuses: FlowStatuses
    gateway: tuple[str, int] | None = None
    """The cluster's internal gateway, where this process is outside of the cluster and cannot resolve names."""

    def place_of(self, flow: Flow, number: int) -> Place:
        """As promised by `Places`. Raises `NotNow` for a flow that is not on the cluster yet."""
        older = number != flow.current_version
        deployment = self.publisher.target.deployment(flow.id)
        if older or deployment is None:
            deployment = self.publisher.publish_flow(flow.tenant_id, flow.id, keep=(number,))
        version = next((each for each in deployment.versions if each.number == number), None) if deployment else None
        if deployment is None or version is None or not version.image:
            raise NotNow(f"version {number} has no image yet: it is being built")
        if older:
            self.await_tag(flow, number)
        url = find_address(deployment, version)
        return Named(url, self.gateway) if self.gateway is not None else url

    def await_tag(self, flow: Flow, number: int) -> None:
        """Until the cluster has a name for the version. Raises `Unreachable`."""
        deadline = time.monotonic() + TAG_SECONDS
        while f"v{number}" not in (self.statuses.of(flow.id).get("urls") or {}):
            if time.monotonic() >= deadline:
                raise Unreachable("flow", f"version {number} is being started again: try once more in a moment")
            time.sleep(PAUSE_SECONDS)
