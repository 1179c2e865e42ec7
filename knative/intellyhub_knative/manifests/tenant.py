"""A tenant on a cluster: a namespace of its own, its bounds, its Broker, and the way to its images."""

from __future__ import annotations

from collections.abc import Mapping

from intellyhub_knative.manifests.broker import make_broker
from intellyhub_knative.manifests.names import TENANT_SLUG, namespace_of, tenant_labels
from intellyhub_knative.manifests.network import make_network_policies
from intellyhub_knative.manifests.objects import Manifest, make_object, make_secret
from intellyhub_knative.manifests.quantities import as_map, times
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["REGISTRY_SECRET", "make_tenant_objects", "pods_of"]

REGISTRY_SECRET = "intellyhub-registry"  # noqa: S105 - an object's name
"""The Secret with which a tenant's pods pull images."""
LIMITS = "intellyhub"
DRAINING = 2
"""A pod that ends counts for the quota during its last 30 seconds: a roll-out or a wake-up needs room beside it."""
POD_SECURITY = "pod-security.kubernetes.io/"


def make_tenant_objects(tenant: Tenant, settings: ClusterSettings) -> list[Manifest]:
    """In the order in which they are applied: the namespace and its bounds come before anything runs in it, the Broker
    last."""
    made = [make_namespace(tenant), make_limit_range(tenant, settings), make_quota(tenant, settings)]
    made += make_network_policies(tenant, settings)
    if settings.registry_credentials:
        made.append(make_registry_secret(tenant, settings))
    return [*made, make_broker(tenant, settings)]


def make_namespace(tenant: Tenant) -> Manifest:
    """The namespace. `restricted` refuses whatever is not closed in, also what somebody else puts there."""
    security = {
        POD_SECURITY + mode + suffix: value
        for mode in ("enforce", "audit", "warn")
        for suffix, value in (("", "restricted"), ("-version", "latest"))
    }
    return make_object(
        "v1",
        "Namespace",
        namespace_of(tenant),
        namespace=None,
        labels=tenant_labels(tenant.tenant_id) | security,
        annotations={TENANT_SLUG: tenant.slug},
    )


def pods_of(tenant: Tenant, settings: ClusterSettings) -> int:
    """Pods that may exist at a time, those that end included."""
    return DRAINING * tenant.max_pods + settings.max_listeners


def make_quota(tenant: Tenant, settings: ClusterSettings) -> Manifest:
    """What all pods of the tenant may hold together, and no way out of the cluster's network but its gateway."""
    pods = pods_of(tenant, settings)
    hard: dict[str, str] = {"pods": str(pods)}
    for kind, each in (("requests", settings.pod_requests), ("limits", settings.pod_limits)):
        hard |= {f"{kind}.cpu": times(each.cpu, pods), f"{kind}.memory": times(each.memory, pods)}
    hard |= {"services.loadbalancers": "0", "services.nodeports": "0", "persistentvolumeclaims": "0"}
    return in_namespace("v1", "ResourceQuota", tenant, spec={"hard": hard})


def make_limit_range(tenant: Tenant, settings: ClusterSettings) -> Manifest:
    """What a container gets that says nothing. A quota refuses pods with such a container, and Knative's queue-proxy is
    one by itself."""
    default = {
        "type": "Container",
        "default": as_map(settings.sidecar_limits),
        "defaultRequest": as_map(settings.sidecar_requests),
    }
    return in_namespace("v1", "LimitRange", tenant, spec={"limits": [default]})


def make_registry_secret(tenant: Tenant, settings: ClusterSettings) -> Manifest:
    """The registry's credentials, for the kubelet: no pod mounts them."""
    return make_secret(
        REGISTRY_SECRET,
        {".dockerconfigjson": settings.registry_credentials},
        namespace=namespace_of(tenant),
        labels=tenant_labels(tenant.tenant_id),
        secret_type="kubernetes.io/dockerconfigjson",  # noqa: S106 - Kubernetes' word for it
    )


def in_namespace(api_version: str, kind: str, tenant: Tenant, spec: Mapping[str, object]) -> Manifest:
    """One object of the tenant's that there is once."""
    return make_object(
        api_version,
        kind,
        LIMITS,
        namespace=namespace_of(tenant),
        labels=tenant_labels(tenant.tenant_id),
        spec=spec,
    )
