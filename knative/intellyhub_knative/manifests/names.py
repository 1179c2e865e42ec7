"""What things are called on a cluster. Every name, label and in-cluster address is made here and nowhere else.

Names are made of a slug, for people, and of the id's first digits, so that no two are the same. Slugs never change, and
so names do not. Names of flows have at most 49 characters: DNS-1035 allows 63, and Knative puts before them a traffic
tag (`v12-NAME` is one label of a host name), behind them `-00001`, and we our own suffixes.
"""

from __future__ import annotations

import re
from enum import StrEnum

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.tenants import Tenant

__all__ = [
    "AUDIENCE",
    "BROKER",
    "FLOW_ID",
    "FLOW_SLUG",
    "MANAGED_BY",
    "MANAGER",
    "PART",
    "TENANT_ID",
    "TENANT_SLUG",
    "VERSION",
    "FlowNames",
    "Part",
    "flow_labels",
    "flow_name",
    "flow_url",
    "names_of",
    "namespace_name",
    "namespace_of",
    "selector",
    "service_account_user",
    "service_url",
    "tag_of",
    "tenant_labels",
    "version_url",
]

MANAGED_BY = "app.kubernetes.io/managed-by"
"""Label: `intellyhub` on everything that is ours. What does not have it is never touched."""
MANAGER = "intellyhub"
"""The value of `MANAGED_BY`, and the field manager of server-side apply."""
PART = "intellyhub.dev/part"
"""Label: what an object is, one of `Part`; network policies tell workers from listeners by it."""
TENANT_ID = "intellyhub.dev/tenant-id"
"""Label: whose it is, 32 hexadecimal digits."""
FLOW_ID = "intellyhub.dev/flow-id"
"""Label: which flow's it is, 32 hexadecimal digits; not on what a tenant's flows share."""
VERSION = "intellyhub.dev/version"
"""Label of a revision and its pods: the version's number."""
TENANT_SLUG = "intellyhub.dev/tenant"
"""Annotation, for people: the tenant's whole slug."""
FLOW_SLUG = "intellyhub.dev/flow"
"""Annotation, for people: the flow's whole slug."""

AUDIENCE = "intellyhub"
"""Of the tokens that pods show to the journal and the gateway."""
BROKER = "default"
"""The name of every tenant's Broker."""
LONGEST_SLUG = 40
ID_DIGITS = 8
CLUSTER = "svc.cluster.local"


class Part(StrEnum):
    """Values of the label `PART`."""

    TENANT = "tenant"  # what a tenant's flows share
    FLOW = "flow"  # the Service and what its pods need
    TRIGGER = "trigger"
    TICK = "tick"  # a PingSource
    LISTENER = "listener"  # a source's pod


@dataclass(frozen=True, kw_only=True)
class FlowNames:
    """What the objects of one flow are called."""

    namespace: str
    service: str
    """The Knative Service, the ServiceAccount of its pods and the Trigger: different kinds, one name."""

    @property
    def keys(self) -> str:
        """The Secret with the keys that its workers accept."""
        return f"{self.service}-keys"

    @property
    def secrets(self) -> str:
        """The Secret with its tenant's secrets, one file each."""
        return f"{self.service}-secrets"

    @property
    def variables(self) -> str:
        """The Secret with the file of variables."""
        return f"{self.service}-variables"

    @property
    def tick(self) -> str:
        """The PingSource."""
        return f"{self.service}-tick"

    @property
    def listener(self) -> str:
        """The pod of a source that stays connected, and its ServiceAccount."""
        return f"{self.service}-listener"


def namespace_name(tenant_slug: str, tenant_id: str) -> str:
    """The namespace of a tenant, 52 characters at most. The prefix keeps a tenant called `kube-system` out of it."""
    return "-".join(filter(None, ("ih", plain_part(tenant_slug), start_of(tenant_id))))


def namespace_of(record: Tenant | Deployment) -> str:
    """The namespace that a record's objects lie in."""
    slug = record.slug if isinstance(record, Tenant) else record.tenant_slug
    return namespace_name(slug, record.tenant_id)


def flow_name(slug: str, flow_id: str) -> str:
    """The name of a flow's objects, 49 characters at most (DNS-1035)."""
    plain = plain_part(slug)
    if not plain[:1].isalpha():
        plain = plain_part(f"f-{plain}")
    return f"{plain}-{start_of(flow_id)}"


def names_of(deployment: Deployment) -> FlowNames:
    """The names of a flow's objects."""
    return FlowNames(namespace=namespace_of(deployment), service=flow_name(deployment.slug, deployment.flow_id))


def tag_of(number: int) -> str:
    """The traffic tag of a version that is still reachable by itself."""
    return f"v{number}"


def flow_url(deployment: Deployment) -> str:
    """Where the flow answers inside the cluster."""
    names = names_of(deployment)
    return service_url(names.service, names.namespace)


def version_url(deployment: Deployment, number: int) -> str:
    """Where one version of the flow answers inside the cluster, while its tag stands."""
    names = names_of(deployment)
    return service_url(f"{tag_of(number)}-{names.service}", names.namespace)


def service_url(name: str, namespace: str) -> str:
    """Where a Service answers inside the cluster, without a slash at the end."""
    return f"http://{name}.{namespace}.{CLUSTER}"


def service_account_user(deployment: Deployment, *, listener: bool = False) -> str:
    """How the cluster's tokens name the flow's pods (`sub`), or the pod of its source."""
    names = names_of(deployment)
    return f"system:serviceaccount:{names.namespace}:{names.listener if listener else names.service}"


def tenant_labels(tenant_id: str, part: Part = Part.TENANT) -> dict[str, str]:
    """Labels of what a tenant's flows share."""
    return {MANAGED_BY: MANAGER, PART: part.value, TENANT_ID: tenant_id}


def flow_labels(deployment: Deployment, part: Part = Part.FLOW) -> dict[str, str]:
    """Labels of a flow's objects."""
    return tenant_labels(deployment.tenant_id, part) | {FLOW_ID: deployment.flow_id}


def selector(**labels: str) -> str:
    """A label selector for all that is ours; `selector(tenant_id=..., flow_id=...)` narrows it."""
    known = {"tenant_id": TENANT_ID, "flow_id": FLOW_ID}
    return ",".join([f"{MANAGED_BY}={MANAGER}", *(f"{known[name]}={value}" for name, value in labels.items())])


def plain_part(slug: str) -> str:
    """The beginning of a slug that is fit for a name, whatever the slug holds; perhaps nothing."""
    return re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-")[:LONGEST_SLUG].strip("-")


def start_of(record_id: str) -> str:
    """The first digits of an id. Raises `ValueError` for what is no id: names of strangers must not be guessed at."""
    if not re.fullmatch("[0-9a-f]{32}", record_id):
        raise ValueError(f"{record_id!r} is not an id of 32 hexadecimal digits")
    return record_id[:ID_DIGITS]
