"""Kubernetes' own rules, as judges: the published schemas of several releases, and Pod Security `restricted`.

The schemas come with the package kubernetes-validate. https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import kubernetes_validate

from tests.unit.knative.manifests import knative_rules

RELEASES = ("1.29", "1.37")
"""The oldest that Knative 1.15 runs on, and the newest that is published."""
KNATIVE_FIELDS = (
    "containerConcurrency",
    "timeoutSeconds",
    "responseStartTimeoutSeconds",
    "idleTimeoutSeconds",
)
"""What a revision's pod has beside a pod's."""
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def judge(manifest: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with an object: by Kubernetes' schemas, by Knative's rules, by Pod Security."""
    faults = knative_rules.judge(manifest) if is_knative(manifest) else misshapen(manifest)
    pod = pod_of(manifest)
    if pod is None:
        return faults
    kubernetes_pod = {key: value for key, value in pod.items() if key not in KNATIVE_FIELDS}
    template = {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": "x"},
        "template": {"spec": kubernetes_pod},
    }
    return [*faults, *misshapen(template), *unrestricted(pod)]


def is_knative(manifest: Mapping[str, Any]) -> bool:
    return ".knative.dev/" in manifest["apiVersion"]


def misshapen(manifest: Mapping[str, Any]) -> list[str]:
    """Faults by the schemas, of which an unknown field is one."""
    return list(misshapen_text(json.dumps(manifest)))


@cache
def misshapen_text(text: str) -> tuple[str, ...]:
    """Overlays have most objects in common, and the schemas are large."""
    faults = []
    for release in RELEASES:
        try:
            kubernetes_validate.validate(json.loads(text), release, strict=True)
        except kubernetes_validate.ValidationError as fault:
            faults.append(f"{release}: {'.'.join(map(str, fault.path))}: {fault.message}")
    return tuple(faults)


def pod_of(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """The pod that an object makes, if it makes one."""
    pod = manifest.get("spec", {}).get("template", {}).get("spec")
    return pod if isinstance(pod, dict) and "containers" in pod else None


def unrestricted(pod: Mapping[str, Any]) -> Iterator[str]:
    """What `restricted` refuses."""
    outer = pod.get("securityContext", {})
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield f"{name} is set"
    for volume in pod.get("volumes", ()):
        if kinds := volume.keys() - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is a {', '.join(kinds)}"
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        inner = container.get("securityContext", {})
        named = f"container {container.get('name', '')}"
        if inner.get("privileged"):
            yield f"{named} is privileged"
        if inner.get("allowPrivilegeEscalation") is not False:
            yield f"{named}: allowPrivilegeEscalation != false"
        if "ALL" not in inner.get("capabilities", {}).get("drop", ()) or inner["capabilities"].get("add"):
            yield f"{named}: unrestricted capabilities"
        if inner.get("runAsNonRoot", outer.get("runAsNonRoot")) is not True:
            yield f"{named}: runAsNonRoot != true"
        if 0 in (inner.get("runAsUser"), outer.get("runAsUser")):
            yield f"{named}: runAsUser = 0"
        profile = inner.get("seccompProfile", outer.get("seccompProfile", {}))
        if profile.get("type") not in ("RuntimeDefault", "Localhost"):
            yield f"{named}: seccompProfile"
        for port in container.get("ports", ()):
            if port.get("hostPort"):
                yield f"{named}: hostPort"
