"""What a tenant gets, and what its pods can reach."""

from __future__ import annotations

import ipaddress

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.manifests.objects import make_object, owned_by
from intellyhub_knative.manifests.quantities import cpu_of, memory_of, times
from intellyhub_knative.manifests.settings import ClusterSettings, read_cluster_settings
from intellyhub_knative.manifests.tenant import make_tenant_objects, pods_of
from intellyhub_knative.manifests.triggers import make_filters
from intellyhub_knative.platform.deployments import Quantities
from tests.unit.knative.manifests.cases import OWNER
from tests.unit.knative.manifests.records import FLOW_ID, SETTINGS, make_deployment, make_tenant


def made(kind, settings=SETTINGS, tenant=None):
    return [one for one in make_tenant_objects(tenant or make_tenant(), settings) if one["kind"] == kind]


def policies(settings=SETTINGS):
    return {one["metadata"]["name"]: one["spec"] for one in made("NetworkPolicy", settings)}


def test_the_namespace_comes_first_and_refuses_what_is_not_closed_in():
    first = make_tenant_objects(make_tenant(), SETTINGS)[0]
    assert first["kind"] == "Namespace"
    assert first["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_quota_leaves_room_for_pods_that_drain_and_for_listeners():
    tenant = make_tenant(max_pods=10)
    [quota] = made("ResourceQuota", tenant=tenant)
    assert pods_of(tenant, SETTINGS) == 40
    assert quota["spec"]["hard"]["pods"] == "40"
    assert quota["spec"]["hard"]["requests.cpu"] == "4000m"


def test_the_quota_never_refuses_the_pods_that_the_plan_sells():
    """Every worker with its sidecar, at the defaults, draining ones as well."""
    [quota] = made("ResourceQuota")
    container, pods = make_deployment().container, pods_of(make_tenant(), SETTINGS)
    for kind in ("requests", "limits"):
        sidecar = getattr(SETTINGS, f"sidecar_{kind}")
        worker = getattr(container, kind)
        hard = quota["spec"]["hard"]
        assert (cpu_of(worker.cpu) + cpu_of(sidecar.cpu)) * pods <= cpu_of(hard[f"{kind}.cpu"])
        assert (memory_of(worker.memory) + memory_of(sidecar.memory)) * pods <= memory_of(hard[f"{kind}.memory"])


def test_a_container_without_resources_still_fits_the_quota():
    [limits] = made("LimitRange")
    [rule] = limits["spec"]["limits"]
    assert rule["type"] == "Container"
    assert rule["default"].keys() == rule["defaultRequest"].keys() == {"cpu", "memory"}


def test_nothing_is_allowed_but_what_is_named():
    nothing = policies()["nothing"]
    assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_nobody_reaches_a_workers_own_port_past_queue_proxy():
    opened = [
        port["port"]
        for spec in policies(ClusterSettings(node_networks=("192.0.2.0/24",))).values()
        if spec["podSelector"] == {"matchLabels": {"intellyhub.dev/part": "flow"}}
        for rule in spec.get("ingress", ())
        for port in rule["ports"]
    ]
    assert opened
    assert 8080 not in opened


def test_flows_reach_neither_the_shared_gateway_nor_the_shared_broker():
    """These serve all tenants and know none: from there a pod could call any flow."""
    for name, spec in policies().items():
        for rule in spec.get("egress", ()):
            for peer in rule["to"]:
                labels = peer.get("namespaceSelector", {}).get("matchLabels", {})
                assert labels.get("kubernetes.io/metadata.name") not in ("kourier-system", "knative-eventing"), name


@pytest.mark.parametrize("address", ["10.96.0.1", "172.20.1.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"])
def test_flows_reach_no_private_network(address):
    [internet, *_] = policies()["internet"]["egress"][0]["to"]
    inside = [ipaddress.ip_address(address) in ipaddress.ip_network(one) for one in internet["ipBlock"]["except"]]
    assert any(inside)


def test_what_an_operator_closes_of_ipv6_is_closed_beside_what_is_private():
    networks = ClusterSettings(closed_networks=("10.0.0.0/8", "2001:db8:1::/48"))
    four, six = [peer["ipBlock"]["except"] for peer in policies(networks)["internet"]["egress"][0]["to"]]
    assert (four, six) == (["10.0.0.0/8"], ["2001:db8:1::/48", "fc00::/7", "fe80::/10"])


def test_an_operator_opens_one_network():
    peers = policies(ClusterSettings(open_networks=("10.20.0.0/16",)))["internet"]["egress"][0]["to"]
    assert {"ipBlock": {"cidr": "10.20.0.0/16"}} in peers


def test_the_broker_has_the_class_that_was_asked_for_and_a_dead_letter_sink():
    [plain] = made("Broker")
    assert "annotations" not in plain["metadata"]
    assert plain["spec"]["delivery"]["deadLetterSink"]["uri"].startswith("http://gateway.intellyhub.svc")
    [other] = made("Broker", ClusterSettings(broker_class="RabbitMQBroker"))
    assert other["metadata"]["annotations"] == {"eventing.knative.dev/broker.class": "RabbitMQBroker"}


def test_triggers_are_never_deleted_by_a_cascade():
    trigger = make_object("eventing.knative.dev/v1", "Trigger", "x", namespace="x", labels={})
    with pytest.raises(ValueError, match="one at a time"):
        owned_by(trigger, OWNER)


def test_any_value_is_asked_for_in_words_that_knative_does_not_drop():
    made = make_filters(make_deployment(filters=({"exact": {"type": ""}},)))
    assert made == [{"any": [{"exact": {"flow": FLOW_ID}}, {"all": [{"cesql": "EXISTS type"}]}]}]


def test_a_filter_that_is_none_is_refused():
    with pytest.raises(InputInvalid, match="no dialect"):
        make_filters(make_deployment(filters=({"exakt": {"type": "x"}},)))


def test_settings_come_from_the_environment():
    read = read_cluster_settings(
        {
            "INTELLYHUB_NAMESPACE": "flows",
            "INTELLYHUB_BROKER_CONFIG": "v1 ConfigMap knative-eventing kafka-broker-config",
            "INTELLYHUB_INGRESS_LABEL": "app=istio-ingressgateway",
            "INTELLYHUB_POD_LIMITS": "cpu=4, memory=2Gi",
            "INTELLYHUB_OPEN_NETWORKS": "10.1.0.0/16, 10.2.0.0/16",
            "INTELLYHUB_TEMPLATE_ANNOTATIONS": '{"example.org/a": "b"}',
            "INTELLYHUB_REGISTRY_CREDENTIALS": "hush",
        }
    )
    assert read.journal_url == "http://journal.flows.svc.cluster.local:8080"
    assert read.broker_config is not None
    assert read.broker_config["kind"] == "ConfigMap"
    assert read.ingress_label == ("app", "istio-ingressgateway")
    assert read.pod_limits == Quantities(cpu="4", memory="2Gi")
    assert read.open_networks == ("10.1.0.0/16", "10.2.0.0/16")
    assert "hush" not in repr(read)


def test_every_bad_setting_is_named_at_once():
    wrong = {
        "INTELLYHUB_NAMESPACE": "Not A Name",
        "INTELLYHUB_BROKER_CONFIG": "kafka",
        "INTELLYHUB_DNS_LABEL": "x",
        "INTELLYHUB_POD_LIMITS": "cpu=4",
        "INTELLYHUB_POD_REQUESTS": "cpu=no,memory=1Gi",
        "INTELLYHUB_OPEN_NETWORKS": "everywhere",
        "INTELLYHUB_SCRATCH": "12",
        "INTELLYHUB_TEMPLATE_ANNOTATIONS": '{"autoscaling.knative.dev/minscale": "1"}',
    }
    with pytest.raises(InputInvalid) as refused:
        read_cluster_settings(wrong)
    assert all(name in str(refused.value) for name in wrong)


@pytest.mark.parametrize(
    ("one", "number", "all_of_them"), [("100m", 40, "4000m"), ("256Mi", 3, "768Mi"), ("0.5", 3, "1.5")]
)
def test_quantities_are_multiplied_in_their_own_unit(one, number, all_of_them):
    assert times(one, number) == all_of_them
