"""What the deployer does to a cluster: the least that a role has to allow. A test records the requests of a whole life
cycle and compares; another compares the role that the installer makes."""

from __future__ import annotations

__all__ = ["USED", "USED_IN_OWN_NAMESPACE"]

APPLY = ("patch", "create")
"""Server-side apply asks for both, and for nothing else."""

TABLE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("", "namespaces", (*APPLY, "get", "list", "delete")),
    ("", "limitranges", APPLY),
    ("", "resourcequotas", APPLY),
    ("networking.k8s.io", "networkpolicies", APPLY),
    ("", "serviceaccounts", (*APPLY, "delete")),
    ("", "secrets", (*APPLY, "delete")),  # written, never read
    ("serving.knative.dev", "services", (*APPLY, "get", "list", "watch", "delete")),
    ("serving.knative.dev", "revisions", ("list",)),
    ("eventing.knative.dev", "brokers", (*APPLY, "list", "delete")),
    ("eventing.knative.dev", "triggers", (*APPLY, "list", "delete")),
    ("messaging.knative.dev", "inmemorychannels", ("list", "delete")),
    ("sources.knative.dev", "pingsources", (*APPLY, "list", "delete")),
    ("sources.knative.dev", "containersources", (*APPLY, "list", "delete")),
    ("", "pods", ("list",)),
    ("", "events", ("list",)),
)

USED = frozenset((group, resource, verb) for group, resource, verbs in TABLE for verb in verbs)
"""(API group, resource, verb), in all namespaces."""
USED_IN_OWN_NAMESPACE = frozenset(("coordination.k8s.io", "leases", verb) for verb in ("get", "create", "update"))
"""The same, in the namespace of the platform only."""
