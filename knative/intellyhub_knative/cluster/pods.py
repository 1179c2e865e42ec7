"""Why the pods of a revision do not start, asked of the pods themselves: they know it minutes before the revision."""

from __future__ import annotations

from intellyhub_knative.cluster.client import ClusterClient
from intellyhub_knative.cluster.kinds import EVENT, POD
from intellyhub_knative.cluster.reasons import Trouble, explain_pod

__all__ = ["find_trouble"]

MOST_PODS = 3
"""Those of one revision fail for the same reason."""


async def find_trouble(client: ClusterClient, namespace: str, revision: str) -> Trouble | None:
    """What keeps a revision's pods from starting; None where nothing does, or nobody knows yet."""
    pods = (await client.list(POD, namespace, labels=f"serving.knative.dev/revision={revision}")).items
    for pod in pods[:MOST_PODS]:
        found = explain_pod(pod)
        if found is None and waits(pod):
            about = f"involvedObject.name={pod['metadata']['name']}"
            found = explain_pod(pod, (await client.list(EVENT, namespace, fields=about)).items)
        if found is not None:
            return found
    return None


def waits(pod: dict[str, object]) -> bool:
    """Whether one of its containers is not made yet: only then events tell more than the pod."""
    status = pod.get("status")
    containers = status.get("containerStatuses") or () if isinstance(status, dict) else ()
    return any("waiting" in (each.get("state") or {}) for each in containers)
