"""The kinds of objects that the deployer speaks of, in the order in which they are made. The only table of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

__all__ = [
    "BROKER",
    "CHANNEL",
    "EVENT",
    "KINDS",
    "LEASE",
    "NAMESPACE",
    "POD",
    "REVISION",
    "SECRET",
    "SERVICE",
    "SERVICE_ACCOUNT",
    "SOURCES",
    "TRIGGER",
    "Kind",
    "kind_of",
    "order_of",
]


class Kind(NamedTuple):
    """A kind, and where the API keeps its objects."""

    group: str
    """Empty: the core group."""
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Where the objects of a namespace lie, or of all, or one of them."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        return "/".join(parts)


NAMESPACE = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
SERVICE_ACCOUNT = Kind("", "v1", "serviceaccounts", "ServiceAccount")
SECRET = Kind("", "v1", "secrets", "Secret")
POD = Kind("", "v1", "pods", "Pod")
EVENT = Kind("", "v1", "events", "Event")
SERVICE = Kind("serving.knative.dev", "v1", "services", "Service")
REVISION = Kind("serving.knative.dev", "v1", "revisions", "Revision")
BROKER = Kind("eventing.knative.dev", "v1", "brokers", "Broker")
TRIGGER = Kind("eventing.knative.dev", "v1", "triggers", "Trigger")
CHANNEL = Kind("messaging.knative.dev", "v1", "inmemorychannels", "InMemoryChannel")
PING_SOURCE = Kind("sources.knative.dev", "v1", "pingsources", "PingSource")
CONTAINER_SOURCE = Kind("sources.knative.dev", "v1", "containersources", "ContainerSource")
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease")

SOURCES = (PING_SOURCE, CONTAINER_SOURCE)

KINDS = (
    NAMESPACE,
    Kind("", "v1", "limitranges", "LimitRange"),  # before anything that starts a pod
    Kind("", "v1", "resourcequotas", "ResourceQuota"),
    Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
    SERVICE_ACCOUNT,
    SECRET,
    SERVICE,
    BROKER,
    TRIGGER,  # after its subscriber is ready: before that it stays broken for 30 s, and events are lost
    *SOURCES,  # last: what they send is wanted by somebody
)
"""What is applied, in that order."""

BY_NAME = {(kind.api_version, kind.kind): kind for kind in (*KINDS, POD, EVENT, REVISION, CHANNEL, LEASE)}
ORDER = {kind: place for place, kind in enumerate(KINDS)}


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    """The kind of an object. Raises `ValueError` for one that we have nothing to do with."""
    found = BY_NAME.get((str(manifest.get("apiVersion")), str(manifest.get("kind"))))
    if found is None:
        raise ValueError(f"{manifest.get('apiVersion')} {manifest.get('kind')} is no kind that the deployer handles")
    return found


def order_of(manifest: Mapping[str, Any]) -> int:
    """Its place among those that are applied."""
    return ORDER[kind_of(manifest)]
