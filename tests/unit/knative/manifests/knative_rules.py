"""What stock Knative refuses, as a judge: no feature flag, Serving 1.15 to 1.23, Eventing 1.15 to 1.22.

Each rule is a refusal that was seen on a real cluster or stands in the webhooks' code, or a trap that Knative lets one
walk into. The shapes are strict: a field that is not in the table is a fault, as it is for the API server.
https://knative.dev/docs/serving/reference/serving-api/ and https://knative.dev/docs/eventing/reference/eventing-api/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tests.unit.knative.manifests.knative_shapes import (
    ANY,
    BROKER,
    CONTAINER_SOURCE,
    PING_SOURCE,
    SERVICE,
    TRIGGER,
    Shape,
)

Faults = Iterator[str]
SCALING = "autoscaling.knative.dev/"
SIDECAR = "queue.sidecar.serving.knative.dev/"
SCALED = """
    class metric metric-aggregation-algorithm min-scale max-scale initial-scale activation-scale scale-down-delay window
    scale-to-zero-pod-retention-period target target-utilization-percentage target-burst-capacity
    panic-window-percentage panic-threshold-percentage
"""
MEASURED = [
    f"{what}-resource-{kind}" for what in ("cpu", "memory", "ephemeral-storage") for kind in ("request", "limit")
]
TEMPLATE_KEYS = {SCALING + key for key in SCALED.split()} | {SIDECAR + key for key in MEASURED}
RESERVED_ENVIRONMENT = ("PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION")
RESERVED_PORTS = (8008, 8012, 8013, 8022, 8112, 9090, 9091)
DNS_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
ISO_8601 = re.compile(r"PT(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?")
IMAGE = re.compile(
    r"([a-zA-Z0-9.-]+(:\d+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?"
)
ATTRIBUTE = re.compile(r"[a-z][a-z0-9]*")
DIALECTS = {"exact", "prefix", "suffix", "all", "any", "not", "cesql"}
UNITS: Mapping[str, Decimal | int] = {
    "": 1,
    "m": Decimal("0.001"),
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
}


def judge(manifest: Mapping[str, Any]) -> list[str]:
    """Everything that stock Knative would refuse, or fall over, in one of its objects."""
    shape, rules = JUDGES[(manifest["apiVersion"], manifest["kind"])]
    return [*misshapen(manifest, shape, ""), *rules(manifest)]


def misshapen(value: Any, shape: Shape, where: str) -> Faults:
    """Fields that are not there, and values of another kind."""
    if shape is ANY:
        return
    if isinstance(shape, dict):
        if not isinstance(value, Mapping):
            yield f"{where}: is no object"
            return
        for key, inner in value.items():
            place = f"{where}.{key}".lstrip(".")
            if key not in shape and str not in shape:
                yield f"must not set the field(s): {place}"
            else:
                yield from misshapen(inner, shape.get(key, shape.get(str)), place)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{where}: is no list"
            return
        for number, inner in enumerate(value):
            yield from misshapen(inner, shape[0], f"{where}[{number}]")
    elif not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
        yield f"{where}: is no {shape.__name__}"


def judge_service(manifest: Mapping[str, Any]) -> Faults:
    name, metadata, spec = manifest["metadata"]["name"], manifest["metadata"], manifest["spec"]
    template = spec["template"]
    if not DNS_1035.fullmatch(name):
        yield f"{name}: not a DNS-1035 label"
    for key in metadata.get("annotations", {}):
        if key.startswith((SCALING, SIDECAR)):
            yield f'autoscaling annotations must be put under "spec.template.metadata.annotations" to work: {key}'
    revision = template.get("metadata", {}).get("name")
    if revision is not None and not revision.startswith(f"{name}-"):
        yield f'"{revision}" must have prefix "{name}-"'
    yield from judge_annotations(template.get("metadata", {}).get("annotations", {}))
    yield from judge_pod(template["spec"])
    yield from judge_traffic(spec.get("traffic", [{"latestRevision": True, "percent": 100}]))


def judge_annotations(annotations: Mapping[str, str]) -> Faults:
    for key, value in annotations.items():
        if key.startswith((SCALING, SIDECAR)) and key not in TEMPLATE_KEYS:
            yield f"{key} is taken silently, and does nothing"
        if not isinstance(value, str):
            yield f"{key} is no text"
    scale = {key.removeprefix(SCALING): value for key, value in annotations.items() if key.startswith(SCALING)}
    least, most = int(scale.get("min-scale", 0)), int(scale.get("max-scale", 0))
    if most and most < least:
        yield f"max-scale={most} is less than min-scale={least}"
    if scale.get("initial-scale") == "0":
        yield "initial-scale=0 not allowed by cluster"
    if int(scale.get("activation-scale", 2)) < 2:
        yield f"activation-scale={scale['activation-scale']} must be greater than 1"
    if not 6 <= seconds_of(scale.get("window", "60s")) <= 3600:
        yield f"expected 6s <= {scale['window']} <= 1h0m0s"
    if not seconds_of(scale.get("scale-to-zero-pod-retention-period", "0s")) <= 3600:
        yield "the retention period is longer than 1h"
    if "serving.knative.dev/progress-deadline" not in annotations:
        yield "no progress-deadline: what does not start stays Unknown for ten minutes"


def judge_pod(pod: Mapping[str, Any]) -> Faults:
    if pod.get("automountServiceAccountToken", False) is not False:
        yield "must not set the field(s): spec.template.spec.automountServiceAccountToken"
    if not 0 <= pod.get("containerConcurrency", 0) <= 1000:
        yield f"expected 0 <= {pod['containerConcurrency']} <= 1000: containerConcurrency"
    for name in ("timeoutSeconds", "idleTimeoutSeconds"):
        if not 0 <= pod.get(name, 0) <= 600:
            yield f"expected 0 <= {pod[name]} <= 600: {name}"
    containers = pod["containers"]
    if len(containers) > 1 and sum("ports" in container for container in containers) != 1:
        yield "exactly one container must have ports"
    mounted = {mount["name"] for container in containers for mount in container.get("volumeMounts", ())}
    for volume in pod.get("volumes", ()):
        if volume["name"] not in mounted:
            yield f'volume with name "{volume["name"]}" not mounted'
        yield from judge_modes(volume)
    for container in containers:
        yield from judge_container(container)


def judge_modes(volume: Mapping[str, Any]) -> Faults:
    """Without fsGroup files are root's: others must be able to read them."""
    for kind in ("secret", "configMap", "projected"):
        if kind in volume and not volume[kind].get("defaultMode", 0o644) & 0o004:
            yield f"the files of {volume['name']} are unreadable: there is no fsGroup"


def judge_container(container: Mapping[str, Any]) -> Faults:
    if container.get("name") in ("queue-proxy", "istio-proxy"):
        yield f'"{container["name"]}" is a reserved container name'
    if not IMAGE.fullmatch(container["image"]):
        yield f"Failed to parse image reference: {container['image']}"
    for variable in container.get("env", ()):
        if variable["name"] in RESERVED_ENVIRONMENT:
            yield f'"{variable["name"]}" is a reserved environment variable'
        if any(variable.get("value", "").endswith(f":{port}") for port in (9090, 9091, 8012, 8022)) and "//" not in str(
            variable["value"]
        ):
            yield f"{variable['name']} listens where queue-proxy does"
    ports = container.get("ports", [])
    if len(ports) > 1:
        yield "more than one container port is set"
    for port in ports:
        if port["containerPort"] in RESERVED_PORTS:
            yield f"{port['containerPort']} is a reserved port"
        if port.get("name", "") not in ("", "h2c", "http1"):
            yield f"Port name {port['name']} is not allowed. Name must be empty, or one of: 'h2c', 'http1'"
    yield from judge_probes(container)
    yield from judge_resources(container.get("resources", {}))
    yield from judge_walls(container.get("securityContext", {}))
    for mount in container.get("volumeMounts", ()):
        if mount.get("subPath") and "token" in mount["name"]:
            yield f"{mount['name']} is mounted by subPath and would never be renewed"


def judge_probes(container: Mapping[str, Any]) -> Faults:
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name, {})
        if probe.get("periodSeconds") == 0 and "failureThreshold" in probe:
            yield f"failureThreshold is disallowed when periodSeconds is zero: {name}"
        if name == "startupProbe" and "httpGet" in probe and "port" not in probe["httpGet"]:
            yield "startupProbe.httpGet.port: Invalid value: 0"


def judge_resources(resources: Mapping[str, Any]) -> Faults:
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for name, most in limits.items():
        if name not in requests:
            yield f"limits.{name} without a request: it becomes the request, and draining pods hold back others"
        elif amount(requests[name]) > amount(most):
            yield f"requests.{name} must be less than or equal to {name} limit"


def judge_walls(security: Mapping[str, Any]) -> Faults:
    """The four whose lack is warned of, and two that a pod falls over."""
    missing = {
        "allowPrivilegeEscalation": security.get("allowPrivilegeEscalation") is False,
        "capabilities": security.get("capabilities", {}).get("drop") == ["ALL"],
        "runAsNonRoot": security.get("runAsNonRoot") is True,
        "seccompProfile": security.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
    }
    for name, is_set in missing.items():
        if not is_set:
            yield f"Kubernetes default value is insecure: securityContext.{name}"
    if "runAsUser" in security and "runAsGroup" not in security:
        yield "runAsUser without runAsGroup gives the process group 0"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "the root file system can be written"


def judge_traffic(traffic: list[Mapping[str, Any]]) -> Faults:
    total = sum(target.get("percent") or 0 for target in traffic)
    if total != 100:
        yield f"Traffic targets sum to {total}, want 100"
    for target in traffic:
        if bool(target.get("revisionName")) == bool(target.get("latestRevision")):
            yield "expected exactly one: revisionName, latestRevision"
        if target.get("tag") and not DNS_1035.fullmatch(target["tag"]):
            yield f"{target['tag']}: not a DNS-1035 label"
    tags = sorted(target["tag"] for target in traffic if target.get("tag"))
    yield from (f"Multiple definitions for tag {one}" for one, other in pairwise(tags) if one == other)


def judge_broker(manifest: Mapping[str, Any]) -> Faults:
    yield from judge_delivery(manifest["spec"].get("delivery", {}))


def judge_delivery(delivery: Mapping[str, Any]) -> Faults:
    if "deadLetterSink" not in delivery:
        yield "no dead-letter sink: every producer is told of each subscriber's fault"
    for name in ("backoffDelay", "timeout"):
        if name in delivery and not ISO_8601.fullmatch(delivery[name]):
            yield f"invalid value: {delivery[name]}: spec.delivery.{name}"
    if delivery.get("backoffPolicy", "linear") not in ("linear", "exponential"):
        yield f"invalid value: {delivery['backoffPolicy']}: spec.delivery.backoffPolicy"
    if delivery.get("retry", 0) < 0:
        yield f"invalid value: {delivery['retry']}: spec.delivery.retry"


def judge_trigger(manifest: Mapping[str, Any]) -> Faults:
    spec = manifest["spec"]
    if not spec.get("broker"):
        yield "missing field(s): spec.broker"
    if not spec.get("subscriber"):
        yield "expected at least one, got none: spec.subscriber.ref, spec.subscriber.uri"
    if "filter" in spec and "filters" in spec:
        yield "filters wins, and filter is ignored"
    yield from judge_attributes(spec.get("filter", {}).get("attributes", {}))
    for one in spec.get("filters", ()):
        yield from judge_filter(one)
    yield from judge_delivery(spec.get("delivery", {}))


def judge_attributes(attributes: Mapping[str, str]) -> Faults:
    for name in attributes:
        if not ATTRIBUTE.fullmatch(name):
            yield f"{name}: Attribute name must start with a letter and can only contain lowercase alphanumeric"


def judge_filter(one: Mapping[str, Any]) -> Faults:
    if len(one) != 1:
        yield "multiple dialects found, filters can have only one dialect set"
    for dialect, inner in one.items():
        if dialect not in DIALECTS:
            yield f"must not set the field(s): {dialect}"
        elif dialect in ("all", "any"):
            for each in inner:
                yield from judge_filter(each)
        elif dialect == "not":
            yield from judge_filter(inner)
        elif dialect == "cesql":
            if not re.fullmatch(r"(NOT )?EXISTS [a-z][a-z0-9]*", inner):  # all that we write of it
                yield f"invalid value: {inner}: cesql"
        else:
            yield from judge_attributes(inner)
            if not all(isinstance(value, str) for value in inner.values()):
                yield f"{dialect}: a value is no text"
            if "" in inner.values():
                yield f"{dialect} with an empty value is left out silently"


def judge_ping_source(manifest: Mapping[str, Any]) -> Faults:
    spec = manifest["spec"]
    if "data" in spec and "dataBase64" in spec:
        yield "expected exactly one, got both: spec.data, spec.dataBase64"
    if spec.get("timezone"):
        yield f"unknown time zone {spec['timezone']}: not every release has zone data"
    yield from judge_cron(spec["schedule"])
    yield from judge_sink(spec)


def judge_cron(schedule: str) -> Faults:
    """As robfig/cron v3 reads it."""
    if schedule.startswith("@"):
        yield f"unsupported descriptor {schedule}"
        return
    fields = schedule.split()
    bounds = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))[6 - len(fields) :]
    if len(fields) not in (5, 6):
        yield f"expected 5 to 6 fields, found {len(fields)}"
        return
    for field, (least, most) in zip(fields, bounds, strict=True):
        for part in field.split(","):
            match = re.fullmatch(r"(\*|\?|\d+)(?:-(\d+))?(?:/(\d+))?", part)
            if match is None:
                yield f"failed to parse {part}"
                continue
            low, high, step = match.groups()
            first = least if low in "*?" else int(low)
            last = int(high) if high else (most if low in "*?" or step else first)
            if not least <= first <= last <= most:
                yield f"end of range ({last}) above maximum ({most})"
            if step == "0":
                yield "step of range should be a positive number"


def judge_sink(spec: Mapping[str, Any]) -> Faults:
    sink = spec.get("sink", {})
    if not sink.get("uri") and not sink.get("ref"):
        yield "expected at least one, got none: ref, uri"
    if sink.get("uri") and "ref" not in sink and not sink["uri"].startswith(("http://", "https://")):
        yield "Relative URI is not allowed when Ref and [apiVersion, kind, name] is absent"
    for key in spec.get("ceOverrides", {}).get("extensions", {}):
        if not key.isalnum() or not key.isascii():
            yield f"{key}: keys are expected to be alphanumeric"


def judge_container_source(manifest: Mapping[str, Any]) -> Faults:
    yield from judge_sink(manifest["spec"])
    pod = manifest["spec"]["template"]["spec"]
    if pod.get("restartPolicy", "Always") != "Always":
        yield "a Deployment's pods restart always"
    for container in pod["containers"]:
        yield from judge_walls(container.get("securityContext", {}))
        yield from judge_resources(container.get("resources", {}))
        names = [variable["name"] for variable in container.get("env", ())]
        if {"K_SINK", "K_CE_OVERRIDES"} & set(names[:-2]) or "K_SINK" in names[-1:]:
            yield "K_SINK stands elsewhere than Knative writes it: two controllers would undo each other's writes"


def seconds_of(duration: str) -> float:
    match = re.fullmatch(r"(\d+)(ms|s|m|h)", duration)
    assert match is not None, duration
    return int(match[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[match[2]]


def amount(quantity: Any) -> Decimal:
    match = re.fullmatch(r"([\d.]+)(\D*)", str(quantity))
    assert match is not None, quantity
    return Decimal(match[1]) * UNITS[match[2]]


Judge = Callable[[Mapping[str, Any]], Faults]
JUDGES: Mapping[tuple[str, str], tuple[Shape, Judge]] = {
    ("serving.knative.dev/v1", "Service"): (SERVICE, judge_service),
    ("eventing.knative.dev/v1", "Broker"): (BROKER, judge_broker),
    ("eventing.knative.dev/v1", "Trigger"): (TRIGGER, judge_trigger),
    ("sources.knative.dev/v1", "PingSource"): (PING_SOURCE, judge_ping_source),
    ("sources.knative.dev/v1", "ContainerSource"): (CONTAINER_SOURCE, judge_container_source),
}
