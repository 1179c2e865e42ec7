"""What the objects of all tenants have in common on one cluster. The reconciler reads it once from its environment."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

import orjson

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.serving.readers import read_fields, text, variable, web_address, whole
from intellyhub_knative.manifests.annotations import check_annotations
from intellyhub_knative.manifests.names import service_url
from intellyhub_knative.manifests.quantities import cpu_of, memory_of
from intellyhub_knative.platform.deployments import Quantities

__all__ = ["PRIVATE_NETWORKS", "ClusterSettings", "read_cluster_settings"]

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
PRIVATE_NETWORKS = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",  # clouds answer with a machine's credentials there
    "172.16.0.0/12",
    "192.168.0.0/16",
)
"""What flows may not reach unless it is allowed: the cluster itself, its nodes, the networks around it."""


def label(value: str) -> str:
    """The name of a namespace or of an object."""
    if not LABEL.fullmatch(value):
        raise ValueError(f"is {value!r}, not a name of small letters, digits and dashes")
    return value


def networks(value: str) -> tuple[str, ...]:
    """Networks, separated by commas."""
    try:
        return tuple(str(ipaddress.ip_network(part.strip())) for part in value.split(",") if part.strip())
    except ValueError as fault:
        raise ValueError(f"holds what is no network: {fault}") from None


def pair(value: str) -> tuple[str, str]:
    """A label and its value, `app=web`."""
    name, mark, wanted = value.partition("=")
    if not (name and mark and wanted):
        raise ValueError(f"is {value!r}, not a label such as k8s-app=kube-dns")
    return name, wanted


def quantities(value: str) -> Quantities:
    """`cpu=250m,memory=128Mi`."""
    parts = dict(part.strip().partition("=")[::2] for part in value.split(","))
    if parts.keys() != {"cpu", "memory"}:
        raise ValueError(f"is {value!r}, not such as cpu=250m,memory=128Mi")
    try:
        cpu_of(parts["cpu"])
        memory_of(parts["memory"])
    except InputInvalid as fault:
        raise ValueError(f"is {value!r}: {fault}") from None
    return Quantities(**parts)


def memory(value: str) -> str:
    """A size, `256Mi`."""
    try:
        memory_of(value)
    except InputInvalid as fault:
        raise ValueError(f"is {value!r}: {fault}") from None
    return value


def reference(value: str) -> Mapping[str, str] | None:
    """`apiVersion kind namespace name`, of the object that configures a Broker class."""
    parts = value.split()
    if len(parts) != 4:
        raise ValueError(f"is {value!r}, not such as: v1 ConfigMap knative-eventing kafka-broker-config")
    return dict(zip(("apiVersion", "kind", "namespace", "name"), parts, strict=True))


def annotations_of(value: str) -> Mapping[str, str]:
    """A JSON object of texts, of which Knative knows every key."""
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise ValueError('is not a JSON object of texts such as {"autoscaling.knative.dev/metric": "concurrency"}')
    try:
        check_annotations(found)
    except InputInvalid as fault:
        raise ValueError(f"cannot be used: {fault}") from None
    return found


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """Empty means the default. docs/operations.md lists them."""

    namespace: str = variable("INTELLYHUB_NAMESPACE", "intellyhub", label)
    """The platform's own."""
    public_url: str = variable("INTELLYHUB_PUBLIC_URL", "", web_address)
    """How the platform is reached from outside: listeners tell it to those who call back."""
    registry_credentials: str = variable("INTELLYHUB_REGISTRY_CREDENTIALS", "", text, shown=False)
    """A docker `config.json`, with which tenants' pods pull images; empty: the registry lets everyone read."""
    broker_class: str = variable("INTELLYHUB_BROKER_CLASS", "")
    """`Kafka`, `RabbitMQBroker`, ...; empty: the cluster's default class."""
    broker_config: Mapping[str, str] | None = variable("INTELLYHUB_BROKER_CONFIG", None, reference)
    """What configures that class; None: its default. A Broker's cannot be changed, only the Broker be made anew."""
    serving_namespace: str = variable("INTELLYHUB_SERVING_NAMESPACE", "knative-serving", label)
    """Where Knative's activator and autoscaler are."""
    ingress_namespace: str = variable("INTELLYHUB_INGRESS_NAMESPACE", "kourier-system", label)
    """Where the gateway of Knative's networking layer is."""
    ingress_label: tuple[str, str] = variable("INTELLYHUB_INGRESS_LABEL", ("app", "3scale-kourier-gateway"), pair)
    """What its pods are labelled with."""
    dns_namespace: str = variable("INTELLYHUB_DNS_NAMESPACE", "kube-system", label)
    dns_label: tuple[str, str] = variable("INTELLYHUB_DNS_LABEL", ("k8s-app", "kube-dns"), pair)
    node_networks: tuple[str, ...] = variable("INTELLYHUB_NODE_NETWORKS", (), networks)
    """Addresses of the nodes, where the network does not let kubelets through by itself."""
    closed_networks: tuple[str, ...] = variable("INTELLYHUB_CLOSED_NETWORKS", PRIVATE_NETWORKS, networks)
    """Networks that flows cannot reach, IPv6's own private ones apart, which are closed in any case. Name the cluster's
    pods and Services here if they lie outside of these."""
    open_networks: tuple[str, ...] = variable("INTELLYHUB_OPEN_NETWORKS", (), networks)
    """Networks that flows may reach although they are closed: a database of the company's."""
    pod_requests: Quantities = variable("INTELLYHUB_POD_REQUESTS", Quantities(cpu="100m", memory="256Mi"), quantities)
    """What a tenant's quota reckons for each pod, Knative's sidecar included."""
    pod_limits: Quantities = variable("INTELLYHUB_POD_LIMITS", Quantities(cpu="2", memory="1Gi"), quantities)
    """The same, at most."""
    sidecar_requests: Quantities = variable(
        "INTELLYHUB_SIDECAR_REQUESTS", Quantities(cpu="10m", memory="32Mi"), quantities
    )
    """Of Knative's queue-proxy beside each worker: it has none for memory by itself, and a quota asks for it."""
    sidecar_limits: Quantities = variable(
        "INTELLYHUB_SIDECAR_LIMITS", Quantities(cpu="500m", memory="128Mi"), quantities
    )
    scratch: str = variable("INTELLYHUB_SCRATCH", "256Mi", memory)
    """What a pod may write to `/tmp`; it is gone with the pod."""
    max_listeners: int = variable("INTELLYHUB_MAX_LISTENERS", 20, whole(0, 1000))
    """Pods of sources that stay connected, for each tenant, beside its workers."""
    progress_seconds: int = variable("INTELLYHUB_PROGRESS_SECONDS", 120, whole(10, 3600))
    """After so long a revision that does not come up has failed; Knative would wait ten minutes."""
    template_annotations: Mapping[str, str] = variable("INTELLYHUB_TEMPLATE_ANNOTATIONS", {}, annotations_of)
    """More annotations for every revision. A new one makes new revisions of all flows."""

    @property
    def journal_url(self) -> str:
        """Where workers find the journal service."""
        return f"{service_url('journal', self.namespace)}:8080"

    @property
    def gateway_url(self) -> str:
        """Where sources and Brokers find the gateway, inside the cluster."""
        return service_url("gateway", self.namespace)

    @property
    def poller_url(self) -> str:
        """Where ticks go."""
        return service_url("poller", self.namespace)


def read_cluster_settings(environment: Mapping[str, str]) -> ClusterSettings:
    """The settings; raises `InputInvalid` with every variable that cannot be used."""
    values, faults = read_fields(ClusterSettings, environment)
    if faults:
        raise InputInvalid("; ".join(faults))
    return ClusterSettings(**values)
