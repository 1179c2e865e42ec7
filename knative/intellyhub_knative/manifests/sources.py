"""Where a flow's events come from on a cluster: a PingSource that wakes the poller, or a pod that stays connected.

Both name their sink by its URI, as it lies in another namespace. https://knative.dev/docs/eventing/sources/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_functions.catalogue import CATALOGUE
from intellyhub_knative.manifests.flow import make_worker
from intellyhub_knative.manifests.names import FLOW_SLUG, VERSION, Part, flow_labels, names_of
from intellyhub_knative.manifests.objects import Manifest, make_object, make_service_account, owned_by
from intellyhub_knative.manifests.quantities import make_resources
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.platform.attributes import ADDRESS
from intellyhub_knative.platform.deployments import Container, Deployment, Quantities
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.sources.placement import Way, place
from intellyhub_knative.platform.sources.ticks import PATH, make_tick

__all__ = ["make_listener", "make_ping_source", "make_sources"]

LISTENER = Container(
    requests=Quantities(cpu="20m", memory="64Mi"),
    limits=Quantities(cpu="500m", memory="256Mi"),
)
API = "sources.knative.dev/v1"


def make_sources(
    deployment: Deployment,
    settings: ClusterSettings,
    keys: Keys,
    owner: Mapping[str, Any] | None = None,
    catalogue: Catalogue = CATALOGUE,
) -> list[Manifest]:
    """What brings a flow its events, if anything has to, in the order in which it is applied: last of all, as what a
    source sends must be wanted by somebody. Raises `InputInvalid`."""
    placement = place(deployment, catalogue)
    made = [make_ping_source(deployment, settings, keys, placement.cron)] if placement.cron else []
    if placement.way is Way.LISTEN:
        made += make_listener(deployment, settings)
    return [owned_by(manifest, owner) for manifest in made]


def make_ping_source(deployment: Deployment, settings: ClusterSettings, keys: Keys, cron: str) -> Manifest:
    """Ticks for a source that is asked now and then: the poller looks once, and sleeps again. Never with a time zone:
    Knative's webhook refuses one where its image has no zone data."""
    names, tick = names_of(deployment), make_tick(deployment, keys)
    return make_object(
        API,
        "PingSource",
        names.tick,
        namespace=names.namespace,
        labels=flow_labels(deployment, Part.TICK),
        annotations={FLOW_SLUG: deployment.slug},
        spec={
            "schedule": cron,
            "contentType": tick.content_type,
            "data": tick.body,
            "sink": {"uri": f"{settings.poller_url}{PATH}{deployment.flow_id}"},
            "ceOverrides": {"extensions": dict(tick.extensions)},
        },
    )


def make_listener(deployment: Deployment, settings: ClusterSettings) -> list[Manifest]:
    """A pod of the flow's own image that stays connected, and its ServiceAccount. A listener may be a plugin's, and the
    platform's own image has no business in a tenant's namespace."""
    names, labels = names_of(deployment), flow_labels(deployment, Part.LISTENER)
    sink = f"{settings.gateway_url}/events/{deployment.tenant_slug}"
    overrides = {"extensions": {ADDRESS: deployment.flow_id}}
    source = make_object(
        API,
        "ContainerSource",
        names.listener,
        namespace=names.namespace,
        labels=labels,
        annotations={FLOW_SLUG: deployment.slug},
        spec={
            "sink": {"uri": sink},
            "ceOverrides": overrides,
            "template": {
                "metadata": {"labels": labels | {VERSION: str(deployment.current.number)}},
                "spec": make_pod(deployment, settings, sink, overrides),
            },
        },
    )
    return [make_service_account(names.listener, namespace=names.namespace, labels=labels), source]


def make_pod(deployment: Deployment, settings: ClusterSettings, sink: str, overrides: Mapping[str, Any]) -> Manifest:
    """The worker's pod with another command. Its health is that of its connection: one that is dead starts anew."""
    names = names_of(deployment)
    worker = make_worker(names, deployment, deployment.current, settings)
    [container] = worker["containers"]
    more = {
        "PORT": "8080",
        "INTELLYHUB_LISTENER_ADDRESS": deployment.address,
        **({"INTELLYHUB_HOOK_ADDRESS": settings.public_url + deployment.hook_path} if settings.public_url else {}),
        # Knative writes these two as well, to the end and in this order. Where they stand there already, the first pod
        # knows them too; standing elsewhere, the controllers of source and binding would undo each other's writes.
        "K_SINK": sink,
        "K_CE_OVERRIDES": orjson.dumps(overrides).decode(),
    }
    return worker | {
        "serviceAccountName": names.listener,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            container
            | {
                "name": "listener",
                "command": ["python", "-m", "intellyhub_engine.serving.listener"],
                "env": container["env"] + [{"name": name, "value": value} for name, value in more.items()],
                "resources": make_resources(LISTENER),
                "livenessProbe": make_probe(seconds=10, failures=3),
                "startupProbe": make_probe(seconds=2, failures=60),
            }
        ],
    }


def make_probe(*, seconds: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": "/healthz", "port": 8080},
        "periodSeconds": seconds,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }
