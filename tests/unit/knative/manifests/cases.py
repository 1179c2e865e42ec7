"""The cases whose manifests are kept as golden files: name -> what the builders give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from intellyhub_knative.manifests.flow import make_flow_objects, make_service
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.manifests.sources import make_sources
from intellyhub_knative.manifests.tenant import make_tenant_objects
from intellyhub_knative.manifests.triggers import make_triggers
from intellyhub_knative.platform.deployments import Container, Delivery, Quantities
from tests.unit.knative.manifests.records import (
    KEYS,
    SETTINGS,
    make_deployment,
    make_tenant,
    make_version,
)

KAFKA = ClusterSettings(
    broker_class="Kafka",
    broker_config={
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "namespace": "knative-eventing",
        "name": "kafka-broker-config",
    },
    registry_credentials='{"auths": {"registry.example.org": {"auth": "dTpw"}}}',
    node_networks=("192.0.2.0/24",),
    open_networks=("10.20.0.0/16",),
    public_url="https://flows.example.org",
)
OWNER: dict[str, Any] = {
    "apiVersion": "serving.knative.dev/v1",
    "kind": "Service",
    "metadata": {"name": "orders-fedcba98", "uid": "7b0e1f5e-0000-4000-8000-000000000001"},
}
ROLLOUT: tuple[dict[str, Any], ...] = (
    {"revisionName": "orders-fedcba98-00001", "percent": 80, "tag": "v2"},
    {"latestRevision": True, "percent": 20, "tag": "v3"},
)


def flow() -> list[dict[str, Any]]:
    tenant = make_tenant()
    deployment = make_deployment(services={"REDIS_URL": "redis://cache:6379"})
    return [
        *make_flow_objects(deployment, tenant, KEYS, OWNER),
        make_service(deployment, deployment.current, tenant, SETTINGS),
    ]


def flow_in_rollout() -> list[dict[str, Any]]:
    deployment = make_deployment(
        versions=(make_version(3), make_version(2)),
        min_scale=1,
        max_scale=50,
        concurrency=4,
        timeout_seconds=3600.0,
        idle_seconds=1.0,
        container=Container(
            requests=Quantities(cpu="100m", memory="128Mi"), limits=Quantities(cpu="1500m", memory="1Gi")
        ),
    )
    return [make_service(deployment, deployment.current, make_tenant(), KAFKA, ROLLOUT)]


def triggers() -> list[dict[str, Any]]:
    filters = (
        {"exact": {"type": "order.created", "priority": True}},
        {"any": [{"prefix": {"source": "/shop"}}, {"not": {"suffix": {"subject": "-test"}}}]},
        {"exact": {"subject": "", "region": "eu"}},
    )
    delivery = Delivery(retry=3, backoff_policy="linear", backoff_delay_seconds=2, timeout_seconds=30)
    return [
        *make_triggers(make_deployment(), SETTINGS),
        *make_triggers(make_deployment(filters=filters, delivery=delivery), SETTINGS),
    ]


def sources_of(listener: Mapping[str, Any], settings: ClusterSettings = SETTINGS) -> list[dict[str, Any]]:
    return make_sources(make_deployment(listener=listener), settings, KEYS, OWNER)


CASES: Mapping[str, Callable[[], list[dict[str, Any]]]] = {
    "tenant": lambda: make_tenant_objects(make_tenant(), SETTINGS),
    "tenant-on-kafka": lambda: make_tenant_objects(make_tenant(max_pods=100), KAFKA),
    "flow": flow,
    "flow-in-rollout": flow_in_rollout,
    "triggers": triggers,
    "schedule": lambda: sources_of({"type": "schedule", "cron": "0 8 * * 1-5", "timezone": "Europe/Rome"}),
    "feed": lambda: sources_of({"type": "rss", "feed_url": "https://news.example.org/feed"}),
    "queue": lambda: sources_of({"type": "mqtt", "broker": "mqtt.example.org", "topic": "orders/#"}, KAFKA),
}
