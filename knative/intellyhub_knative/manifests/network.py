"""Who may speak with the pods of a tenant, and with whom they may.

Nothing, but for what stands here. Policies act on the ports of pods, after a Service's have been translated: 8012 and
8081, not 80. A shared gateway and a shared Broker serve every tenant, so flows are not let to them: what they send goes
to the journal service, which knows them by their token. Requests that come in are checked by the worker itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from intellyhub_knative.manifests.names import PART, Part, namespace_of, tenant_labels
from intellyhub_knative.manifests.objects import Manifest, make_object
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["make_network_policies"]

QUEUE_PORTS = (8012, 8112, 9090)
"""Of queue-proxy: requests, requests over TLS, what the autoscaler reads."""
KUBELET_PORTS = (8012, 8022)
"""Probes, and the draining before a pod ends."""
LISTENER_PORT = 8080
JOURNAL_PORT = 8080
GATEWAY_PORT = 8080
CLOSED_IPV6 = ("fc00::/7", "fe80::/10")
"""What is private there (RFC 4193), and what is of one link only."""


def make_network_policies(tenant: Tenant, settings: ClusterSettings) -> list[Manifest]:
    """First the one that forbids everything."""
    everyone: Manifest = {}
    workers = {"matchLabels": {PART: Part.FLOW.value}}
    listeners = {"matchLabels": {PART: Part.LISTENER.value}}
    dns = to_pods(settings.dns_namespace, settings.dns_label)
    journal = to_pods(settings.namespace, ("app.kubernetes.io/component", "journal"))
    gateway = to_pods(settings.namespace, ("app.kubernetes.io/component", "gateway"))
    return [
        make_policy(tenant, "nothing", everyone, policyTypes=["Ingress", "Egress"]),
        make_policy(tenant, "requests", workers, policyTypes=["Ingress"], ingress=make_ingress(settings)),
        make_policy(
            tenant,
            "platform",
            everyone,
            policyTypes=["Egress"],
            egress=[
                {"to": [dns], "ports": ports(53, protocols=("UDP", "TCP"))},
                {"to": [journal], "ports": ports(JOURNAL_PORT)},
            ],
        ),
        make_policy(
            tenant,
            "events",
            listeners,
            policyTypes=["Egress"],
            egress=[{"to": [gateway], "ports": ports(GATEWAY_PORT)}],
        ),
        make_policy(tenant, "internet", everyone, policyTypes=["Egress"], egress=[{"to": make_internet(settings)}]),
        *make_probes(tenant, settings, workers, listeners),
    ]


def make_ingress(settings: ClusterSettings) -> list[Manifest]:
    """Requests come from the activator and, when it is out of the way, from the gateway; measures go to the autoscaler.
    The worker's own port is open to nobody: who reached it would be past queue-proxy."""
    apps = [{"key": "app", "operator": "In", "values": ["activator", "autoscaler"]}]
    return [
        {
            "from": [
                {**in_namespace(settings.serving_namespace), "podSelector": {"matchExpressions": apps}},
                to_pods(settings.ingress_namespace, settings.ingress_label),
            ],
            "ports": ports(*QUEUE_PORTS),
        }
    ]


def make_probes(tenant: Tenant, settings: ClusterSettings, workers: Manifest, listeners: Manifest) -> list[Manifest]:
    """What kubelets ask, for clusters whose network does not let a pod's own node through by itself."""
    nodes = [{"ipBlock": {"cidr": network}} for network in settings.node_networks]
    told = (("worker-probes", workers, KUBELET_PORTS), ("listener-probes", listeners, (LISTENER_PORT,)))
    return [
        make_policy(tenant, name, pods, policyTypes=["Ingress"], ingress=[{"from": nodes, "ports": ports(*numbers)}])
        for name, pods, numbers in told
        if nodes
    ]


def make_internet(settings: ClusterSettings) -> list[Manifest]:
    """Everywhere, but for the networks that are closed; and what is opened all the same."""
    closed = [ipaddress.ip_network(network) for network in (*settings.closed_networks, *CLOSED_IPV6)]
    blocks: list[Manifest] = [
        {"cidr": everywhere, "except": [str(network) for network in closed if network.version == version]}
        for version, everywhere in ((4, "0.0.0.0/0"), (6, "::/0"))
    ]
    return [{"ipBlock": block} for block in [*blocks, *({"cidr": network} for network in settings.open_networks)]]


def make_policy(tenant: Tenant, name: str, pods: Manifest, **rules: Sequence[object]) -> Manifest:
    return make_object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        name,
        namespace=namespace_of(tenant),
        labels=tenant_labels(tenant.tenant_id),
        spec={"podSelector": pods, **rules},
    )


def in_namespace(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def to_pods(namespace: str, label: tuple[str, str]) -> Manifest:
    """Pods with a label, in one namespace."""
    return {**in_namespace(namespace), "podSelector": {"matchLabels": dict([label])}}


def ports(*numbers: int, protocols: Sequence[str] = ("TCP",)) -> list[Manifest]:
    return [{"port": number, "protocol": protocol} for number in numbers for protocol in protocols]
