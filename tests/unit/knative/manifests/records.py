"""A tenant, its flows and a cluster, for tests."""

from __future__ import annotations

from typing import Any

from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.platform.deployments import Deployment, Version
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.seal import seal
from intellyhub_knative.platform.tenants import Tenant

TENANT_ID = "0123456789abcdef0123456789abcdef"
FLOW_ID = "fedcba9876543210fedcba9876543210"
IMAGE = "registry.example.org/flows/orders@sha256:" + "5" * 64
KEYS = Keys(b"k" * 32)
SETTINGS = ClusterSettings()


def make_tenant(**changed: Any) -> Tenant:
    given: dict[str, Any] = {
        "tenant_id": TENANT_ID,
        "slug": "acme",
        "max_pods": 10,
        "variables": {"region": "eu", "limit": 3},
        "budget": {"day": {"tokens": 1000.0}},
    }
    return Tenant(**given | changed)


def make_deployment(**changed: Any) -> Deployment:
    given: dict[str, Any] = {
        "tenant_id": TENANT_ID,
        "tenant_slug": "acme",
        "flow_id": FLOW_ID,
        "slug": "orders",
        "name": "Orders",
        "versions": (make_version(3),),
        "max_scale": 3,
    }
    return Deployment(**given | changed)


def make_version(number: int, **changed: Any) -> Version:
    given: dict[str, Any] = {
        "number": number,
        "digest": f"{number:064x}",
        "path": f"/flows/{number}.yaml",
        "image": IMAGE,
    }
    return Version(**given | changed)


def sealed(**secrets: str) -> dict[str, str]:
    return {name: seal(value, KEYS) for name, value in secrets.items()}
