"""The judge itself: everything that a real cluster refused is refused here."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.knative.manifests.cases import CASES
from tests.unit.knative.manifests.knative_rules import judge as judge_knative
from tests.unit.knative.manifests.kubernetes_rules import judge, unrestricted

ANNOTATIONS = "spec template metadata annotations"
POD = "spec template spec"
BOX = f"{POD} containers 0"
WALLS = f"{BOX} securityContext"

SERVICE_REFUSALS = [
    # section 1: behind feature flags
    (f"{POD} securityContext", {"fsGroup": 1}, "must not set the field(s): spec.template.spec.securityContext"),
    (f"{POD} initContainers", [], "must not set the field(s)"),
    (f"{POD} runtimeClassName", "x", "must not set the field(s)"),
    (f"{POD} priorityClassName", "x", "must not set the field(s)"),
    (f"{POD} topologySpreadConstraints", [], "must not set the field(s)"),
    (f"{POD} nodeSelector", {}, "must not set the field(s)"),
    (f"{POD} tolerations", [], "must not set the field(s)"),
    (f"{POD} affinity", {}, "must not set the field(s)"),
    (f"{POD} dnsPolicy", "None", "must not set the field(s)"),
    (f"{POD} dnsConfig", {}, "must not set the field(s)"),
    (f"{POD} hostAliases", [], "must not set the field(s)"),
    (f"{POD} schedulerName", "x", "must not set the field(s)"),
    (f"{POD} shareProcessNamespace", True, "must not set the field(s)"),
    (f"{POD} hostNetwork", True, "must not set the field(s)"),
    (f"{POD} volumes 0 hostPath", {"path": "/"}, "must not set the field(s)"),
    (f"{POD} volumes 0 csi", {}, "must not set the field(s)"),
    (f"{POD} volumes 0 ephemeral", {}, "must not set the field(s)"),
    (f"{POD} volumes 0 image", {}, "must not set the field(s)"),
    (f"{POD} volumes 0 persistentVolumeClaim", {"claimName": "x"}, "must not set the field(s)"),
    (f"{BOX} env 0 valueFrom", {"fieldRef": {"fieldPath": "x"}}, "must not set the field(s)"),
    (f"{BOX} env 0 valueFrom", {"resourceFieldRef": {"resource": "x"}}, "must not set the field(s)"),
    (f"{WALLS} capabilities add", ["SYS_ADMIN"], "must not set the field(s)"),
    (f"{BOX} volumeMounts 0 mountPropagation", "None", "must not set the field(s)"),
    # never accepted
    (f"{POD} terminationGracePeriodSeconds", 5, "must not set the field(s)"),
    (f"{POD} restartPolicy", "Always", "must not set the field(s)"),
    (f"{POD} hostUsers", False, "must not set the field(s)"),
    (f"{BOX} lifecycle", {}, "must not set the field(s)"),
    (f"{BOX} stdin", True, "must not set the field(s)"),
    (f"{BOX} tty", True, "must not set the field(s)"),
    (f"{WALLS} procMount", "Default", "must not set the field(s)"),
    (f"{WALLS} privileged", True, "securityContext.privileged"),
    (f"{POD} automountServiceAccountToken", True, "automountServiceAccountToken"),
    # values
    (f"{POD} timeoutSeconds", 601, "expected 0 <= 601 <= 600"),
    (f"{POD} containerConcurrency", 1001, "expected 0 <= 1001 <= 1000"),
    (f"{BOX} env 0 name", "PORT", '"PORT" is a reserved environment variable'),
    (f"{BOX} env 0 name", "K_SERVICE", "reserved environment variable"),
    (f"{BOX} env 0 name", "K_REVISION", "reserved environment variable"),
    (f"{BOX} env 0 name", "K_CONFIGURATION", "reserved environment variable"),
    (f"{BOX} env 0 value", "0.0.0.0:9090", "where queue-proxy does"),
    (f"{BOX} name", "queue-proxy", "reserved container name"),
    (f"{BOX} image", "Not An Image", "Failed to parse image reference"),
    (f"{BOX} ports 0 containerPort", 8012, "8012 is a reserved port"),
    (f"{BOX} ports 0 name", "http", "Port name http is not allowed"),
    (f"{BOX} ports", [{"containerPort": 8080}, {"containerPort": 8081}], "more than one container port"),
    (f"{BOX} volumeMounts", [], "not mounted"),
    (f"{BOX} readinessProbe", {"periodSeconds": 0, "failureThreshold": 3}, "failureThreshold is disallowed"),
    (f"{BOX} startupProbe", {"httpGet": {"path": "/"}}, "startupProbe.httpGet.port"),
    (f"{BOX} resources requests memory", "2Gi", "must be less than or equal to memory limit"),
    ("metadata annotations autoscaling.knative.dev/min-scale", "1", "must be put under"),
    (f"{ANNOTATIONS} autoscaling.knative.dev/initial-scale", "0", "initial-scale=0 not allowed"),
    (f"{ANNOTATIONS} autoscaling.knative.dev/activation-scale", "1", "must be greater than 1"),
    (f"{ANNOTATIONS} autoscaling.knative.dev/window", "5s", "expected 6s <= 5s"),
    (f"{ANNOTATIONS} autoscaling.knative.dev/scale-to-zero-pod-retention-period", "2h", "longer than 1h"),
    (f"{ANNOTATIONS} autoscaling.knative.dev/min-scale", "9", "max-scale=3 is less than min-scale=9"),
    (f"{ANNOTATIONS} autoscaling.knative.dev/minscale", "1", "taken silently"),
    (f"{ANNOTATIONS} queue.sidecar.serving.knative.dev/cpu-request", "1", "taken silently"),
    (f"{ANNOTATIONS} queue.sidecar.serving.knative.dev/resource-percentage", "1", "taken silently"),
    ("spec template metadata name", "v1", 'must have prefix "orders-fedcba98-"'),
    ("metadata name", "2-orders", "not a DNS-1035 label"),
    ("metadata name", "x" * 64, "not a DNS-1035 label"),
    ("spec traffic", [{"latestRevision": True, "percent": 90}], "Traffic targets sum to 90, want 100"),
    ("spec traffic", [{"percent": 100}], "expected exactly one"),
    ("spec traffic 0 tag", "V1", "not a DNS-1035 label"),
    # traps that it lets one walk into
    (f"{WALLS} allowPrivilegeEscalation", True, "default value is insecure"),
    (f"{WALLS} capabilities drop", [], "default value is insecure"),
    (f"{WALLS} runAsNonRoot", False, "default value is insecure"),
    (f"{WALLS} seccompProfile type", "Unconfined", "default value is insecure"),
    (f"{WALLS} readOnlyRootFilesystem", False, "can be written"),
    (f"{WALLS} runAsGroup", None, "group 0"),
    (f"{BOX} resources requests cpu", None, "becomes the request"),
    (f"{POD} volumes 3 secret defaultMode", 0o440, "unreadable"),
    (f"{BOX} volumeMounts 1 subPath", "token", "never be renewed"),
    (f"{ANNOTATIONS} serving.knative.dev/progress-deadline", None, "no progress-deadline"),
    (f"{BOX} bogus", 1, "must not set the field(s)"),
]
TRIGGER_REFUSALS = [
    ("spec broker", "", "missing field(s): spec.broker"),
    ("spec subscriber", {}, "expected at least one, got none"),
    ("spec filter", {"attributes": {"type": "x"}}, "filter is ignored"),
    ("spec filter", {"attributes": {"my-type": "x"}}, "lowercase alphanumeric"),
    ("spec filters 0", {"exact": {"my_type": "x"}}, "lowercase alphanumeric"),
    ("spec filters 0", {"exact": {"type": "x"}, "prefix": {"type": "x"}}, "only one dialect"),
    ("spec filters 0", {"exact": {"type": ""}}, "left out silently"),
    ("spec filters 0", {"cesql": "flow = "}, "invalid value: flow = "),
    ("spec delivery backoffDelay", "0.5s", "invalid value: 0.5s: spec.delivery.backoffDelay"),
    ("spec delivery backoffPolicy", "random", "invalid value: random"),
    ("spec delivery retryAfterMax", "PT1S", "must not set the field(s): spec.delivery.retryAfterMax"),
    ("spec delivery retry", -1, "invalid value: -1"),
    ("spec delivery deadLetterSink", None, "no dead-letter sink"),
]
TICK_REFUSALS = [
    ("spec schedule", "61 * * * *", "end of range (61) above maximum (59)"),
    ("spec schedule", "0 0 * * 7", "above maximum (6)"),
    ("spec schedule", "@every 1m", "unsupported descriptor"),
    ("spec schedule", "* * *", "expected 5 to 6 fields"),
    ("spec schedule", "0 0 L * *", "failed to parse L"),
    ("spec timezone", "Europe/Rome", "unknown time zone"),
    ("spec dataBase64", "e30=", "expected exactly one, got both"),
    ("spec ceOverrides extensions my-flow", "x", "keys are expected to be alphanumeric"),
    ("spec sink", {}, "expected at least one"),
    ("spec sink uri", "/tick", "Relative URI is not allowed"),
]
LISTENER_REFUSALS = [
    ("spec template spec containers 0 env 0 name", "K_SINK", "undo each other"),
    ("spec template spec restartPolicy", "Never", "restart always"),
    ("spec replicas", 2, "must not set the field(s): spec.replicas"),
]


def pick(case: str, kind: str) -> dict[str, Any]:
    return copy.deepcopy(next(one for one in CASES[case]() if one["kind"] == kind))


def change(manifest: dict[str, Any], path: str, value: Any) -> None:
    """Set what stands at a path; None takes it away."""
    *way, last = path.split()
    place: Any = manifest
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    key = int(last) if isinstance(place, list) else last
    if value is None:
        del place[key]
    else:
        place[key] = value
        if key == "valueFrom":
            place.pop("value", None)


def refusals(*groups: tuple[str, str, list[tuple[str, Any, str]]]) -> list[Any]:
    return [
        pytest.param(case, kind, path, value, message, id=f"{kind}-{path.split()[-1]}-{number}")
        for case, kind, group in groups
        for number, (path, value, message) in enumerate(group)
    ]


@pytest.mark.parametrize(
    ("case", "kind", "path", "value", "message"),
    refusals(
        ("flow", "Service", SERVICE_REFUSALS),
        ("triggers", "Trigger", TRIGGER_REFUSALS),
        ("feed", "PingSource", TICK_REFUSALS),
        ("queue", "ContainerSource", LISTENER_REFUSALS),
    ),
)
def test_what_a_cluster_refuses_is_refused(case, kind, path, value, message):
    manifest = pick(case, kind)
    assert judge_knative(manifest) == []
    change(manifest, path, value)
    assert message in "; ".join(judge_knative(manifest))


def test_unknown_fields_of_kubernetes_objects_are_refused():
    quota = pick("tenant", "ResourceQuota")
    assert judge(quota) == []
    quota["spec"]["hards"] = {}
    assert "hards" in "; ".join(judge(quota))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda pod: pod.update(hostNetwork=True), "hostNetwork"),
        (lambda pod: pod["volumes"][0].update(hostPath={"path": "/"}), "hostPath"),
        (lambda pod: pod["containers"][0]["securityContext"].update(privileged=True), "privileged"),
        (lambda pod: pod["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"), "allowPrivilege"),
        (lambda pod: pod["containers"][0]["securityContext"].pop("capabilities"), "capabilities"),
        (lambda pod: pod["containers"][0]["securityContext"].update(runAsUser=0), "runAsUser"),
        (lambda pod: pod["containers"][0]["securityContext"].pop("runAsNonRoot"), "runAsNonRoot"),
        (lambda pod: pod["containers"][0]["securityContext"].pop("seccompProfile"), "seccompProfile"),
        (lambda pod: pod["containers"][0]["ports"][0].update(hostPort=80), "hostPort"),
    ],
)
def test_what_pod_security_refuses_is_refused(break_it: Callable[[dict[str, Any]], object], message):
    pod = pick("flow", "Service")["spec"]["template"]["spec"]
    assert list(unrestricted(pod)) == []
    break_it(pod)
    assert message in "; ".join(unrestricted(pod))
