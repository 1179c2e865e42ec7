"""Whether a flow's Trigger is known to take events, as the reconciler has seen it on the cluster."""

from __future__ import annotations

from collections.abc import Mapping

from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.desired import Folder
from intellyhub_knative.platform.layout import Layout

__all__ = ["Standing"]


class Standing:
    """Looks at the statuses that lie beside the records (`cluster_status/<flow_id>.json`). What is not known does not
    stand: the event then goes straight to the flow."""

    def __init__(self, layout: Layout) -> None:
        self._folder: Folder[Mapping[str, object]] = Folder(layout.cluster_status, lambda document: document)

    def stands(self, deployment: Deployment) -> bool:
        """Whether the Trigger is ready, and is the one of the current version."""
        self._folder.read_one(deployment.flow_id)
        trigger = self._folder.records.get(deployment.flow_id, {}).get("trigger")
        if not isinstance(trigger, Mapping):
            return False
        return trigger.get("ready") is True and trigger.get("version") == deployment.current.number
