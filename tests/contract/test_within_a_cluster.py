"""What only a cluster can show: how its objects look, and that nothing is lost when parts of it end in the middle."""

import os
import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.cluster import PLATFORM
from tests.contract.flows import FLOWS

pytestmark = pytest.mark.cluster
ROUNDS = 5
EVENTS = 200
LEAN_IMAGE = "ghcr.io/knative/helloworld-go:latest"
"""Knative's own; INTELLYHUB_CONTRACT_LEAN_IMAGE names another one, where this cannot be pulled."""
KILLED = """
listener: {type: webhook, reply_timeout: 120}
states:
  one: {state_type: command, action: {eval: "import time\\ntime.sleep(5)"}, transition: two}
  two: {state_type: command, action: {eval: "import time\\ntime.sleep(5)"}, transition: done}
  done: {state_type: end, result: {survived: true}}
"""
COUNTED = """
listener: {type: event, filter: {type: contract.counted}}
states:
  done: {state_type: end, result: {n: "{n}"}}
"""
PROBING = """
variables: {places: []}
states:
  look:
    state_type: command
    action:
      eval: |
        import socket
        open_ones = []
        for place in places:
            try:
                socket.create_connection((place[0], place[1]), 3).close()
                open_ones.append(place[0])
            except OSError:
                pass
        open_ones
    output: reached
    transition: done
  done: {state_type: end, result: {reached: "{reached}"}}
"""
FORBIDDEN = (
    ("kubernetes.default.svc", 443),
    (f"postgresql.{PLATFORM}.svc.cluster.local", 5432),
    (f"api.{PLATFORM}.svc.cluster.local", 80),
)
"""Where no flow's pod has any business."""


def test_every_flow_gets_ready_and_its_build_tells_its_stages(hub):
    for slug in FLOWS:
        if hub.ask("GET", f"/api/flows/{slug}").status == 200:
            hub.await_ready(slug)
    (build, *_) = hub.api("GET", "/api/flows/contract-echo/builds")["items"]
    assert build["status"] == "succeeded"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", build["digest"])
    stages = hub.api("GET", f"/api/builds/{build['id']}")["stages"]
    assert {stage["status"] for stage in stages} <= {"succeeded", "skipped"}
    assert b"== check" in hub.ask("GET", f"/api/builds/{build['id']}/log").body


def test_every_image_of_a_flow_is_pulled_by_its_digest(hub, cluster):
    hub.await_ready("contract-echo")
    services = [cluster.service(flow["id"]) for flow in hub.api("GET", "/api/flows?q=contract-&limit=200")["items"]]
    images = [each["spec"]["template"]["spec"]["containers"][0]["image"] for each in services]
    assert images
    assert [each for each in images if not re.search(r"@sha256:[0-9a-f]{64}$", each)] == []


def test_namespaces_of_tenants_are_clean_under_pod_security(hub, cluster):
    (namespace,) = cluster.namespaces(hub.me["tenant"]["id"])
    label = "pod-security.kubernetes.io/enforce=restricted"
    said = cluster.try_kubectl("label", "namespace", namespace, label, "--overwrite", "--dry-run=server")
    assert said.returncode == 0, said.stderr
    assert "violate" not in said.stderr


def test_nothing_on_the_cluster_belongs_to_a_flow_that_is_not_there(hub, cluster):
    known = {flow["id"] for flow in hub.api("GET", "/api/flows?limit=200")["items"]}
    hub.until(lambda: cluster.flows(hub.me["tenant"]["id"]) <= known, "orphans to be gone")


def test_a_run_whose_pod_is_killed_goes_on_where_it_was(hub, cluster):
    hub.publish("contract-killed", KILLED)
    flow = hub.await_ready("contract-killed")
    run_id = hub.execute("contract-killed", wait_seconds=0)["run_id"]

    def in_the_second_state():
        steps = hub.api("GET", f"/api/runs/{run_id}/steps")["items"]
        return [step["state"] for step in steps if step["status"] == "succeeded"] == ["one"]

    hub.until(in_the_second_state, "the first state to end")
    for pod in cluster.pods(flow["id"]):
        where = pod["metadata"]
        words = ("--namespace", where["namespace"], "delete", "pod", where["name"], "--grace-period=0", "--force")
        cluster.kubectl(*words)
    assert hub.await_run(run_id, "succeeded")["output"] == {"survived": True}
    states = [step["state"] for step in hub.api("GET", f"/api/runs/{run_id}/steps")["items"]]
    assert states.count("one") == 1


@pytest.mark.parametrize(
    ("namespace", "chosen"),
    [
        ("knative-eventing", "eventing.knative.dev/brokerRole=ingress"),
        ("knative-eventing", "messaging.knative.dev/role=dispatcher"),
        (PLATFORM, "app.kubernetes.io/component=forwarder"),
        (PLATFORM, "app.kubernetes.io/component=journal"),
    ],
)
def test_no_event_is_lost_or_doubled_when_a_part_is_ended_under_load(hub, cluster, measure, namespace, chosen):
    if hub.ask("GET", "/api/flows/contract-counted").status == 404:
        hub.publish("contract-counted", COUNTED)
    hub.await_ready("contract-counted")
    before = len(counted(hub))
    began = time.monotonic()

    def send(number):
        if number == EVENTS // 2:
            cluster.kubectl("--namespace", namespace, "delete", "pod", "--selector", chosen, "--wait=false")
        event_id = f"{chosen}-{began}-{number}"
        return hub.until(lambda: hub.send("contract.counted", {"n": number}, id=event_id).status == 202, "a 202")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(EVENTS)))
    hub.until(lambda: len(counted(hub)) >= before + EVENTS, "all events to be run")
    assert len(counted(hub)) == before + EVENTS
    measure(f"{EVENTS} events while {chosen.partition('=')[2]} was ended", f"{time.monotonic() - began:.1f} s")


def counted(hub):
    """The ids of the runs of the flow that counts."""
    found, cursor = [], ""
    while cursor is not None:
        page = hub.api("GET", f"/api/runs?flow=contract-counted&status=succeeded&limit=200{cursor}")
        found += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    return found


def test_pods_of_flows_reach_no_part_of_the_platform_that_is_none_of_their_business(hub, measure):
    hub.publish("contract-probing", PROBING)
    hub.await_ready("contract-probing")
    run = hub.execute("contract-probing", variables={"places": FORBIDDEN}, wait_seconds=60)
    run = hub.await_run(run.get("id") or run["run_id"], "succeeded")
    reached = run["output"]["reached"]
    measure("network policies", "enforced" if not reached else f"NOT enforced here: {', '.join(reached)} reached")
    if reached:
        pytest.skip(f"this cluster's network enforces no NetworkPolicy, or ours let {reached} through")


def test_cold_starts_are_told_beside_those_of_a_lean_service(hub, cluster, measure, lean):
    """No bound: what a node can do differs from cluster to cluster; the ratio is what we answer for."""
    flow = hub.await_ready("contract-zero")
    ours, theirs = [], []
    for _ in range(ROUNDS):
        hub.until(lambda: not cluster.pods(flow["id"]), "the flow to be at zero")
        began = time.monotonic()
        assert hub.hook("contract-zero", {"word": "cold"}).status == 200
        ours.append(time.monotonic() - began)
        hub.until(lean.is_at_zero, "the lean service to be at zero")
        theirs.append(lean.seconds())
    measure("cold start of a flow, median", f"{statistics.median(ours):.2f} s ({min(ours):.2f} to {max(ours):.2f})")
    measure("cold start of a lean service, median", f"{statistics.median(theirs):.2f} s")
    measure("ratio", f"{statistics.median(ours) / statistics.median(theirs):.2f}")


class Lean:
    """A Knative Service that does nothing, asked from a pod beside it: what a node needs to start any container."""

    def __init__(self, cluster, namespace, name):
        self.cluster, self.namespace, self.name = cluster, namespace, name

    def is_at_zero(self):
        labels = f"serving.knative.dev/service={self.name}"
        return not self.cluster.objects("pods", namespace=self.namespace, labels=labels)

    def seconds(self):
        """From inside, with the platform's own Python."""
        code = (
            "import time, urllib.request as u; b = time.monotonic(); "
            f"u.urlopen('http://{self.name}.{self.namespace}.svc.cluster.local', timeout=120).read(); "
            "print(time.monotonic() - b)"
        )
        said = self.cluster.kubectl("--namespace", PLATFORM, "exec", "deployment/gateway", "--", "python", "-c", code)
        return float(said.strip().splitlines()[-1])


@pytest.fixture
def lean(cluster):
    image = os.environ.get("INTELLYHUB_CONTRACT_LEAN_IMAGE", LEAN_IMAGE)
    name, namespace = "contract-lean", "default"
    document = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"networking.knative.dev/visibility": "cluster-local"},
        },
        "spec": {"template": {"spec": {"containers": [{"image": image}]}}},
    }
    cluster.apply(document)
    words = ("--namespace", namespace, "wait", f"services.serving.knative.dev/{name}")
    cluster.kubectl(*words, "--for=condition=Ready", "--timeout=100s")
    yield Lean(cluster, namespace, name)
    cluster.kubectl("--namespace", namespace, "delete", "services.serving.knative.dev", name, "--wait=false")
