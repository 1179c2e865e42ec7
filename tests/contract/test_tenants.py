"""Two organisations on one platform: what is one's is not there for the other."""

import time

import pytest

from intellyhub_knative.manifests.names import AUDIENCE

LISTENING = """
listener: {type: event, filter: {type: contract.order}}
states:
  done: {state_type: end, result: {n: "{n}"}}
"""
CALLING = """
states:
  ask:
    state_type: http
    url: "{url}"
    timeout: 5
    accept_errors: true
    output: answer
    transition: done
    error_transition: walled
  done: {state_type: end, result: {status: "{answer.status}"}}
  walled: {state_type: end, result: {status: 0}}
"""
REFUSALS = (0, 401, 403, 404)
"""No way there, or no right there."""


@pytest.fixture(scope="module")
def theirs(other):
    other.publish("contract-theirs", LISTENING)
    other.publish("contract-calling", CALLING)
    yield other.await_ready("contract-theirs")
    for slug in ("contract-theirs", "contract-calling"):
        other.delete(slug)


def test_nothing_of_another_organisation_can_be_seen_or_changed(hub, other, theirs):
    for method, path in (
        ("GET", f"/api/flows/{theirs['id']}"),
        ("PUT", f"/api/flows/{theirs['id']}"),
        ("DELETE", f"/api/flows/{theirs['id']}"),
        ("POST", f"/api/flows/{theirs['id']}/execute"),
        ("GET", f"/api/flows/{theirs['id']}/logs"),
    ):
        assert hub.ask(method, path, {} if method != "GET" else None).status == 404, (method, path)
    assert theirs["id"] not in [each["id"] for each in hub.api("GET", "/api/flows?limit=200")["items"]]


def test_a_run_of_another_organisation_can_be_neither_seen_nor_cancelled(hub, other, theirs):
    run = other.execute("contract-theirs", event={"n": 51})
    run_id = run.get("id") or run["run_id"]
    for method, path in (("GET", ""), ("GET", "/steps"), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/replay")):
        assert hub.ask(method, f"/api/runs/{run_id}{path}", {} if method == "POST" else None).status == 404


def test_events_stay_in_their_organisation(hub, other, theirs):
    refused = hub.send("contract.order", {"n": 52}, tenant=other.tenant)
    assert refused.status in (401, 404)
    assert hub.send("contract.order", {"n": 53}, flow=theirs["id"], id="astray").status == 202
    assert other.send("contract.order", {"n": 54}).status == 202
    other.await_run_of("contract-theirs", n=54)
    assert not [run for run in other.runs("contract-theirs") if run["output"] in ({"n": 52}, {"n": 53})]


def test_a_token_that_is_no_token_opens_nothing(hub):
    for path in ("/api/flows", "/api/runs", "/api/secrets"):
        assert hub.ask("GET", path, token="").status == 401
        assert hub.ask("GET", path, token="ihub_nothing").status == 401


@pytest.mark.cluster
def test_a_pod_of_another_organisation_is_refused_by_a_flow(hub, other, theirs, cluster):
    service = cluster.service(hub.await_ready("contract-echo")["id"])
    names = service["metadata"]
    address = f"http://{names['name']}.{names['namespace']}.svc.cluster.local/"
    other.await_ready("contract-calling")
    run = other.execute("contract-calling", variables={"url": address}, wait_seconds=60)
    assert other.await_run(run.get("id") or run["run_id"], "succeeded")["output"]["status"] in REFUSALS


@pytest.mark.cluster
def test_a_pods_token_opens_its_own_organisations_ingress_and_no_other(hub, other, theirs, cluster):
    service = cluster.service(theirs["id"])
    token = cluster.token(service["metadata"]["namespace"], service["metadata"]["name"], AUDIENCE)
    event = {"specversion": "1.0", "id": str(time.time_ns()), "source": "/pod", "type": "contract.pod"}
    kind = "application/cloudevents+json"
    assert other.ask("POST", f"/events/{other.tenant}", event, token=token, Content_Type=kind).status == 202
    assert other.ask("POST", f"/events/{hub.tenant}", event, token=token, Content_Type=kind).status == 403
    assert other.ask("GET", "/api/flows", token=token).status == 401
