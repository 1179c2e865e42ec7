"""A flow on a cluster: its Knative Service, the ServiceAccount of its pods, and the Secrets they find."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.manifests.annotations import check_annotations
from intellyhub_knative.manifests.names import (
    FLOW_SLUG,
    TENANT_SLUG,
    VERSION,
    FlowNames,
    flow_labels,
    names_of,
)
from intellyhub_knative.manifests.objects import Manifest, make_object, make_secret, make_service_account, owned_by
from intellyhub_knative.manifests.pod import (
    SECRETS,
    SECURITY,
    TOKEN_FILE,
    VARIABLES,
    make_mount,
    make_scratch,
    make_secret_volume,
    make_token_volume,
)
from intellyhub_knative.manifests.quantities import make_resources
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.manifests.tenant import REGISTRY_SECRET
from intellyhub_knative.platform.deployments import Deployment, Version
from intellyhub_knative.platform.keys import Keys, Purpose
from intellyhub_knative.platform.services import outer_names
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["LATEST", "make_flow_objects", "make_service", "make_worker"]

LONGEST_REQUEST_SECONDS = 600
"""`max-revision-timeout-seconds` of stock Knative."""
MOST_CONCURRENCY = 1000
SHORTEST_WINDOW_SECONDS = 6
LONGEST_WINDOW_SECONDS = 3600

LATEST: Mapping[str, Any] = {"latestRevision": True, "percent": 100}
"""All requests to the newest revision that is ready."""


def make_flow_objects(
    deployment: Deployment, tenant: Tenant, keys: Keys, owner: Mapping[str, Any] | None = None
) -> list[Manifest]:
    """What must stand before the Service does: without it, its pods would hang until the progress deadline. `owner` is
    the Service as the cluster answered it, once there is one. Raises `InputInvalid` where a secret cannot be read."""
    names, labels = names_of(deployment), flow_labels(deployment)
    outer = outer_names(deployment, tenant, keys)
    told = {"variables.json": as_json(outer.variables), "budget.json": as_json(tenant.budget)}
    made = [
        make_service_account(names.service, namespace=names.namespace, labels=labels),
        make_secret(names.keys, make_keys(deployment, keys), namespace=names.namespace, labels=labels),
        make_secret(names.variables, told, namespace=names.namespace, labels=labels),
        make_secret(names.secrets, outer.secrets, namespace=names.namespace, labels=labels),
    ]
    return [owned_by(manifest, owner) for manifest in made]


def make_service(
    deployment: Deployment,
    version: Version,
    tenant: Tenant,
    settings: ClusterSettings,
    traffic: Sequence[Mapping[str, Any]] = (LATEST,),
) -> Manifest:
    """The Service whose next revision is this version. The same record makes the same template, and so no new revision;
    variables and secrets are no part of it: their files are renewed in running pods. Raises `InputInvalid` for what
    Knative would refuse."""
    names = names_of(deployment)
    return make_object(
        "serving.knative.dev/v1",
        "Service",
        names.service,
        namespace=names.namespace,
        labels=flow_labels(deployment) | {"networking.knative.dev/visibility": "cluster-local"},
        annotations={TENANT_SLUG: deployment.tenant_slug, FLOW_SLUG: deployment.slug},
        spec={
            "template": {
                "metadata": {
                    "labels": flow_labels(deployment) | {VERSION: str(version.number)},
                    "annotations": make_annotations(deployment, tenant, settings),
                },
                "spec": make_pod(names, deployment, version, settings),
            },
            "traffic": [dict(target) for target in check_traffic(traffic)],
        },
    )


def make_annotations(deployment: Deployment, tenant: Tenant, settings: ClusterSettings) -> dict[str, str]:
    """How the Service scales. `target-burst-capacity` stays as it is: only so do requests queue in the activator."""
    most = min(deployment.max_scale, tenant.max_pods)
    window = min(max(math.ceil(deployment.idle_seconds), SHORTEST_WINDOW_SECONDS), LONGEST_WINDOW_SECONDS)
    annotations = {
        **settings.template_annotations,
        "autoscaling.knative.dev/min-scale": str(min(deployment.min_scale, most)),
        "autoscaling.knative.dev/max-scale": str(most),
        "autoscaling.knative.dev/window": f"{window}s",
        "serving.knative.dev/progress-deadline": f"{settings.progress_seconds}s",
        "queue.sidecar.serving.knative.dev/cpu-resource-request": settings.sidecar_requests.cpu,
        "queue.sidecar.serving.knative.dev/memory-resource-request": settings.sidecar_requests.memory,
        "queue.sidecar.serving.knative.dev/cpu-resource-limit": settings.sidecar_limits.cpu,
        "queue.sidecar.serving.knative.dev/memory-resource-limit": settings.sidecar_limits.memory,
    }
    if most < 1:
        raise InputInvalid("max_scale is 0, which Knative takes for no bound; make a flow inactive instead")
    check_annotations(annotations)
    return annotations


def make_pod(names: FlowNames, deployment: Deployment, version: Version, settings: ClusterSettings) -> Manifest:
    """A revision's pod."""
    if not 0 < deployment.concurrency <= MOST_CONCURRENCY:
        raise InputInvalid(f"concurrency is {deployment.concurrency}; it lies from 1 to {MOST_CONCURRENCY}")
    return make_worker(names, deployment, version, settings) | {
        "containerConcurrency": deployment.concurrency,
        "timeoutSeconds": timeout_of(deployment),
    }


def make_worker(names: FlowNames, deployment: Deployment, version: Version, settings: ClusterSettings) -> Manifest:
    """What any pod of the flow's image has."""
    pod: Manifest = {
        "serviceAccountName": names.service,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [
            {
                "name": "worker",
                "image": pinned(version),
                "ports": [{"containerPort": 8080}],
                "env": make_environment(names, deployment, settings),
                "resources": make_resources(deployment.container),
                "securityContext": SECURITY,
                "volumeMounts": [
                    make_mount("tmp", "/tmp"),  # noqa: S108 - the path in the pod
                    make_mount("token", TOKEN_FILE.rpartition("/")[0]),
                    make_mount("variables", VARIABLES),
                    make_mount("secrets", SECRETS),
                ],
            }
        ],
        "volumes": [
            make_scratch(settings.scratch),
            make_token_volume(),
            make_secret_volume("variables", names.variables),
            make_secret_volume("secrets", names.secrets),
        ],
    }
    if settings.registry_credentials:
        pod["imagePullSecrets"] = [{"name": REGISTRY_SECRET}]
    return pod


def make_environment(names: FlowNames, deployment: Deployment, settings: ClusterSettings) -> list[Manifest]:
    """What the worker is told. PORT and the K_ names are Knative's to give."""
    plain = {
        "INTELLYHUB_FLOW_NAME": deployment.journal_name,
        "INTELLYHUB_JOURNAL": settings.journal_url,
        "INTELLYHUB_JOURNAL_TOKEN_FILE": TOKEN_FILE,
        "INTELLYHUB_VARIABLES_FILE": f"{VARIABLES}/variables.json",
        "INTELLYHUB_BUDGET_FILE": f"{VARIABLES}/budget.json",
        "INTELLYHUB_SECRETS_DIR": SECRETS,
        "INTELLYHUB_WORKSPACE": "/tmp/workspace",  # noqa: S108 - the path in the pod
        "INTELLYHUB_CONCURRENCY": str(deployment.concurrency),
        "INTELLYHUB_DRAIN_SECONDS": str(timeout_of(deployment)),
    }
    private = ("INTELLYHUB_WORKER_TOKENS", "INTELLYHUB_DELIVERY_SECRETS")
    return [{"name": name, "value": value} for name, value in plain.items()] + [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": names.keys, "key": name}}} for name in private
    ]


def make_keys(deployment: Deployment, keys: Keys) -> dict[str, str]:
    """What the flow's workers accept: callers' token; events signed for this flow, and by its tenant's ingress."""
    flow, tenant = deployment.journal_name, deployment.tenant_id
    signing = (keys.token(Purpose.DELIVERY, flow), keys.token(Purpose.DELIVERY, tenant))
    return {
        "INTELLYHUB_WORKER_TOKENS": keys.token(Purpose.CALLER, flow),
        "INTELLYHUB_DELIVERY_SECRETS": ",".join(signing),
    }


def pinned(version: Version) -> str:
    """The image by its digest: a tag could be another image on the next start, and asks the registry at each one."""
    if "@sha256:" not in version.image:
        state = f"{version.image!r} is not named by its digest" if version.image else "no image has been built"
        raise InputInvalid(f"version {version.number}: {state}; publish it again")
    return version.image


def timeout_of(deployment: Deployment) -> int:
    return min(max(math.ceil(deployment.timeout_seconds), 1), LONGEST_REQUEST_SECONDS)


def check_traffic(traffic: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Raise `InputInvalid` for a split that Knative refuses."""
    percent = sum(target.get("percent") or 0 for target in traffic)
    if percent != 100:
        raise InputInvalid(f"the traffic sums to {percent} percent, not to 100")
    for target in traffic:
        if bool(target.get("latestRevision")) == bool(target.get("revisionName")):
            raise InputInvalid(f"{dict(target)}: a target is the latest revision or a named one")
    tags = [target["tag"] for target in traffic if target.get("tag")]
    if len(tags) != len(set(tags)):
        raise InputInvalid(f"the tags {', '.join(sorted(tags))} are not all different")
    return traffic


def as_json(value: object) -> str:
    """In one order, whatever order it was written in: what is the same must look the same."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
