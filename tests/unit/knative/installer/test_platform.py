"""What `kubectl apply -k knative/platform` applies: every object legal, closed in, and wired to the others."""

from __future__ import annotations

import importlib.util
import os
import re
from importlib.metadata import version

import pytest
import yaml

from intellyhub_knative.cluster.verbs import USED, USED_IN_OWN_NAMESPACE
from intellyhub_knative.images.reference import parse_reference
from intellyhub_knative.images.registry.access import read_access
from intellyhub_knative.manifests.settings import read_cluster_settings
from tests.unit.knative.installer.rendered import (
    OVERLAYS,
    PLATFORM,
    build,
    find,
    matches,
    needs_kubectl,
    of_kind,
    pods,
    render,
    render_with,
)
from tests.unit.knative.manifests.kubernetes_rules import judge, misshapen, unrestricted

pytestmark = needs_kubectl

GIVEN_SECRETS = {"intellyhub-key", "intellyhub-administrator", "intellyhub-database", "intellyhub-registry"}
"""Made by the Job `secrets`, or by whoever installs."""
WITH_TOKEN = {"gateway", "journal", "reconciler", "secrets"}
"""Whose pods speak to the API server: to read its signing keys, to lead and apply, to create Secrets."""
ROOT = PLATFORM.parents[1]
every_overlay = pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.rpartition("/")[2])


def test_without_an_overlay_it_is_the_one_for_development():
    assert render(".") == render("overlays/development")


@every_overlay
def test_every_object_is_one_that_a_stock_cluster_takes(overlay):
    faults = [(one["kind"], one["metadata"]["name"], fault) for one in render(overlay) for fault in judge(one)]
    assert not faults


@every_overlay
def test_every_pod_has_its_own_account_and_no_more_than_it_needs(overlay):
    accounts = {one["metadata"]["name"] for one in of_kind(render(overlay), "ServiceAccount")}
    for name, _, pod in pods(render(overlay)):
        assert pod["serviceAccountName"] == name
        assert name in accounts
        assert pod["automountServiceAccountToken"] is (name in WITH_TOKEN), name
        assert pod["enableServiceLinks"] is False, name
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
            assert container["resources"]["limits"].keys() == {"cpu", "memory"}, name


@every_overlay
def test_every_object_lies_in_the_platforms_namespace(overlay):
    for one in render(overlay):
        if one["kind"] not in ("Namespace", "ClusterRole", "ClusterRoleBinding"):
            assert one["metadata"]["namespace"] == "intellyhub", one["metadata"]["name"]
    for binding in of_kind(render(overlay), "ClusterRoleBinding", "RoleBinding"):
        assert [subject["namespace"] for subject in binding["subjects"]] == ["intellyhub"]


@every_overlay
def test_the_namespace_closes_its_pods_in(overlay):
    [namespace] = of_kind(render(overlay), "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@every_overlay
def test_every_selector_finds_pods(overlay):
    manifests = render(overlay)
    labels = [each for _, each, _ in pods(manifests)]
    for one in manifests:
        spec, name = one.get("spec", {}), one["metadata"]["name"]
        if one["kind"] in ("Deployment", "StatefulSet"):
            assert matches(spec["selector"], spec["template"]["metadata"]["labels"]), name
        elif one["kind"] == "Service" and one["apiVersion"] == "v1":
            assert [matches({"matchLabels": spec["selector"]}, each) for each in labels].count(True) == 1, name
        elif one["kind"] == "PodDisruptionBudget":
            assert [matches(spec["selector"], each) for each in labels].count(True) == 1, name
        elif one["kind"] == "NetworkPolicy":
            assert any(matches(spec["podSelector"], each) for each in labels), name
            for rule in spec.get("ingress", ()):
                for peer in rule.get("from", ()):
                    if "namespaceSelector" not in peer:
                        assert any(matches(peer["podSelector"], each) for each in labels), name


@every_overlay
def test_every_port_is_one_that_somebody_opens(overlay):
    manifests = render(overlay)
    for one in manifests:
        if one["kind"] == "Service" and one["apiVersion"] == "v1":
            [pod] = [pod for _, each, pod in pods(manifests) if matches({"matchLabels": one["spec"]["selector"]}, each)]
            names = {port["name"] for container in pod["containers"] for port in container["ports"]}
            assert {port["targetPort"] for port in one["spec"]["ports"]} <= names, one["metadata"]["name"]
    for name, _, pod in pods(manifests):
        for container in pod["containers"]:
            names = {port.get("name") for port in container.get("ports", ())}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                handler = container.get(probe, {})
                asked = handler.get("httpGet", handler.get("tcpSocket"))
                assert asked is None or asked["port"] in names, (name, probe)


@every_overlay
def test_policies_open_the_ports_that_pods_have(overlay):
    """Policies act on pods' ports, not on Services'."""
    manifests = render(overlay)
    for policy in of_kind(manifests, "NetworkPolicy"):
        for _, labels, pod in pods(manifests):
            if not policy["spec"]["podSelector"] or not matches(policy["spec"]["podSelector"], labels):
                continue
            opened = {port["port"] for rule in policy["spec"].get("ingress", ()) for port in rule["ports"]}
            own = {port["containerPort"] for container in pod["containers"] for port in container["ports"]}
            sidecar = {8012, 8112, 9090} if labels["app.kubernetes.io/component"] == "poller" else set()
            assert opened <= own | sidecar


@every_overlay
def test_everything_that_is_named_is_there(overlay):
    manifests = render(overlay)
    maps = {one["metadata"]["name"] for one in of_kind(manifests, "ConfigMap")}
    for name, _, pod in pods(manifests):
        text = str(pod)
        named = set(re.findall(r"'configMapRef': {'name': '([^']+)'", text))
        named |= set(re.findall(r"'configMap': {[^}]*'name': '([^']+)'", text))
        assert named <= maps, name
        assert set(re.findall(r"'secretName': '([^']+)'", text)) <= GIVEN_SECRETS, name
        assert set(re.findall(r"'secretKeyRef': {[^}]*'name': '([^']+)'", text)) <= GIVEN_SECRETS, name


@every_overlay
def test_no_secret_comes_with_the_files(overlay):
    assert not of_kind(render(overlay), "Secret")


@every_overlay
def test_every_process_gets_the_common_settings(overlay):
    [settings] = [
        one["data"] for one in of_kind(render(overlay), "ConfigMap") if one["metadata"]["name"].startswith("platform-")
    ]
    assert settings["INTELLYHUB_TARGET"] == "knative"
    assert settings["INTELLYHUB_NAMESPACE"] == "intellyhub"
    journal = find(render(overlay), "Service", "journal")["spec"]["ports"]
    assert settings["INTELLYHUB_JOURNAL"] == f"http://journal:{journal[0]['port']}"
    api = find(render(overlay), "Service", "api")["spec"]["ports"]
    assert (settings["INTELLYHUB_CONTROL"], api[0]["port"]) == ("http://api", 80)
    for name, _, pod in pods(render(overlay)):
        if name not in ("postgresql", "registry"):
            assert pod["containers"][0]["envFrom"][0]["configMapRef"]["name"].startswith("platform-"), name


@every_overlay
def test_tenants_reach_the_platform_where_the_builders_say(overlay):
    manifests = render(overlay)
    [data] = [one["data"] for one in of_kind(manifests, "ConfigMap") if one["metadata"]["name"].startswith("platform-")]
    settings = read_cluster_settings(data)
    for url, port in ((settings.journal_url, 8080), (settings.gateway_url, 80)):
        host = url.removeprefix("http://").partition(":")[0].partition(".")[0]
        assert port in [one["port"] for one in find(manifests, "Service", host)["spec"]["ports"]]
    assert find(manifests, "Service", "poller", "serving.knative.dev")
    assert settings.poller_url == "http://poller.intellyhub.svc.cluster.local"


def test_the_reconciler_may_do_what_it_does_and_nothing_else():
    manifests = render("base")
    assert granted(find(manifests, "ClusterRole", "intellyhub-reconciler")) == USED
    assert granted(find(manifests, "Role", "reconciler")) == USED_IN_OWN_NAMESPACE


def test_only_the_reconciler_and_the_secrets_job_may_do_anything():
    roles = of_kind(render("base"), "Role", "ClusterRole")
    assert {one["metadata"]["name"] for one in roles} == {"intellyhub-reconciler", "reconciler", "secrets"}
    assert granted(find(render("base"), "Role", "secrets")) == {("", "secrets", "create")}
    bound = {
        (one["roleRef"]["name"], subject["name"])
        for one in of_kind(render("base"), "RoleBinding", "ClusterRoleBinding")
        for subject in one["subjects"]
    }
    assert bound == {("intellyhub-reconciler", "reconciler"), ("reconciler", "reconciler"), ("secrets", "secrets")}


def granted(role):
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_journal_never_runs_beside_itself_during_an_update():
    assert find(render("base"), "Deployment", "journal")["spec"]["strategy"] == {"type": "Recreate"}


def test_a_pod_that_ends_takes_requests_until_every_node_knows():
    for name in ("api", "gateway"):
        pod = find(render("base"), "Deployment", name)["spec"]["template"]["spec"]
        code = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][2]
        [seconds] = re.findall(r"sleep\((\d+)\)", code)
        assert 3 <= int(seconds) < pod["terminationGracePeriodSeconds"] - 10


def test_the_key_is_readable_for_the_process_and_cannot_be_written():
    for name, _, pod in pods(render("base")):
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        if "key" not in volumes:
            assert name in ("secrets", "migrate")
            continue
        mode = volumes["key"]["secret"]["defaultMode"]
        assert mode == (0o440 if pod.get("securityContext", {}).get("fsGroup") else 0o444), name
        [mount] = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "key"]
        assert mount["mountPath"] == "/var/lib/intellyhub/platform.key"
        assert mount["readOnly"] is True


def test_every_command_is_a_module_that_can_be_run():
    modules = {pod["containers"][0]["command"][2] for _, _, pod in pods(render("base"))}
    assert "intellyhub_knative.platform.gateway" in modules
    assert not {module for module in modules if not can_be_run(module)}


def can_be_run(module):
    found = importlib.util.find_spec(module)
    if found is None or found.submodule_search_locations is None:
        return found is not None
    return importlib.util.find_spec(f"{module}.__main__") is not None


def test_every_variable_is_one_that_some_process_reads():
    """A misspelt variable is a setting that is silently not there."""
    sources = "\n".join(
        path.read_text()
        for package in ("engine", "functions", "knative", "control-plane")
        for path in (ROOT / package).glob("intellyhub_*/**/*.py")
        if "manifests" not in path.parts and "installer" not in path.parts
    )
    sources += (PLATFORM.parent / "intellyhub_knative/manifests/settings.py").read_text()
    named = {variable["name"] for _, _, pod in pods(render("base")) for variable in pod["containers"][0].get("env", ())}
    for overlay in OVERLAYS:
        for one in of_kind(render(overlay), "ConfigMap"):
            named |= {name for name in one["data"] if name.startswith("INTELLYHUB_")}
    assert {name for name in named if f'"{name}"' not in sources} == set()


def test_production_brings_no_database_and_an_ingress():
    manifests = render("overlays/production")
    assert not of_kind(manifests, "StatefulSet")
    [ingress] = of_kind(manifests, "Ingress")
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    ports = find(manifests, "Service", backend["name"])["spec"]["ports"]
    assert backend["port"]["name"] in [port["name"] for port in ports]
    for name in ("api", "gateway", "reconciler"):
        deployment = find(manifests, "Deployment", name)
        assert deployment["spec"]["replicas"] == 2
        assert deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]


def test_development_brings_a_database_and_its_addresses():
    manifests = render("overlays/development")
    database = find(manifests, "Service", "postgresql")
    [container] = find(manifests, "Job", "secrets")["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["--database", database["metadata"]["name"]]


def test_development_brings_a_registry_that_nodes_and_builders_find_under_one_name():
    manifests = render("overlays/development")
    data = settings_of(manifests)
    hosts = read_access({"HOME": "/nonexistent", **data})
    [port] = find(manifests, "Service", "registry")["spec"]["ports"]
    for named in (data["INTELLYHUB_ENGINE_IMAGE"], f"{data['INTELLYHUB_REGISTRY']}/flow:1"):
        assert parse_reference(named).registry == f"localhost:{port['nodePort']}"
    assert hosts.address(f"localhost:{port['nodePort']}") == f"http://registry:{port['port']}"
    assert parse_reference(data["INTELLYHUB_ENGINE_IMAGE"]).tag == version("intellyhub-engine")
    for name in ("api", "builder"):
        [container] = find(manifests, "Deployment", name)["spec"]["template"]["spec"]["containers"]
        assert container["envFrom"][0]["configMapRef"]["name"].startswith("platform-")


def settings_of(manifests):
    [data] = [one["data"] for one in of_kind(manifests, "ConfigMap") if one["metadata"]["name"].startswith("platform-")]
    return data


def test_every_image_is_named_where_it_can_be_replaced_and_has_a_tag(tmp_path):
    overlay = yaml.safe_load((PLATFORM / "overlays/development/kustomization.yaml").read_text())
    listed = {f"{one['name']}:{one['newTag']}" for one in overlay["images"]}
    assert images_of(render("overlays/development")) == listed
    mirrored = [{"name": one["name"], "newName": "mirror.example/x", "newTag": "7"} for one in overlay["images"]]
    told = {"resources": [os.path.relpath(PLATFORM / "overlays/development", tmp_path)], "images": mirrored}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(told))
    assert images_of(build(tmp_path)) == {"mirror.example/x:7"}


def images_of(manifests):
    return {container["image"] for _, _, pod in pods(manifests) for container in pod["containers"]}


def test_knative_asks_no_registry_for_the_platforms_image_as_it_stands():
    """Its names for that: kind.local, ko.local, dev.local (config-deployment, registries-skipping-tag-resolving)."""
    poller = find(render("."), "Service", "poller", "serving")["spec"]["template"]["spec"]["containers"][0]
    assert poller["image"].startswith("dev.local/")


def test_volumes_are_asked_of_the_cluster_only_where_they_are_chosen(tmp_path):
    assert not of_kind(render("overlays/development"), "PersistentVolumeClaim")
    manifests = render_with("volumes", tmp_path, overlay="development")
    claims = {one["metadata"]["name"] for one in of_kind(manifests, "PersistentVolumeClaim")}
    assert claims == {"postgresql", "registry"}
    for kind, name in (("StatefulSet", "postgresql"), ("Deployment", "registry")):
        volume = find(manifests, kind, name)["spec"]["template"]["spec"]["volumes"][0]
        assert volume == {"name": "data", "persistentVolumeClaim": {"claimName": name}}
    assert not [fault for one in manifests for fault in judge(one)]


def test_kafka_changes_the_class_and_where_events_go_and_nothing_else():
    def shape(overlay):
        return sorted((one["kind"], one["metadata"]["name"].split("-")[0]) for one in render(overlay))

    assert shape("overlays/kafka") == shape("overlays/production")
    [data] = [one["data"] for one in of_kind(render("overlays/kafka"), "ConfigMap")]
    settings = read_cluster_settings(data)
    assert settings.broker_class == "Kafka"
    assert settings.broker_config == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "namespace": "knative-eventing",
        "name": "kafka-broker-config",
    }
    assert data["INTELLYHUB_BROKER_URL"].startswith("http://kafka-broker-ingress.knative-eventing.svc")


def test_monitoring_finds_every_service_with_figures(tmp_path):
    manifests = render_with("monitoring", tmp_path)
    services = [one for one in of_kind(manifests, "Service") if one["apiVersion"] == "v1"]
    for monitor in of_kind(manifests, "ServiceMonitor"):
        found = [one for one in services if matches(monitor["spec"]["selector"], one["metadata"]["labels"])]
        assert found
        for one in found:
            ports = {port["name"] for port in one["spec"]["ports"]}
            assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports
    others = [one for one in manifests if one["kind"] not in ("ServiceMonitor", "Service")]
    assert not [fault for one in others if ".knative.dev" not in one["apiVersion"] for fault in misshapen(one)]


def test_the_judges_of_these_tests_can_refuse():
    deployment = find(render("base"), "Deployment", "api")
    pod = {**deployment["spec"]["template"]["spec"], "hostNetwork": True}
    assert list(unrestricted(pod)) == ["hostNetwork is set"]
    assert misshapen({**deployment, "spec": {**deployment["spec"], "replica": 1}})
