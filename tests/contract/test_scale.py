"""Flows that nobody calls have no process, and the one who calls does not notice."""

import pytest


def awake(hub, flow):
    """How many workers a flow has on one machine."""
    workers = hub.api("GET", "/api/workers")["items"]
    return sum(each["flow"]["id"] == flow["id"] for each in workers)


@pytest.mark.local
def test_a_flow_falls_asleep_and_its_hook_wakes_it(hub):
    flow = hub.await_ready("contract-zero")
    assert hub.hook("contract-zero", {"word": "one"}).status == 200
    hub.until(lambda: awake(hub, flow) == 1, "its worker to be listed")
    hub.until(lambda: awake(hub, flow) == 0, "its worker to end")
    assert hub.hook("contract-zero", {"word": "two"}).json["output"] == {"word": "two"}


@pytest.mark.cluster
def test_a_flow_falls_asleep_on_the_cluster_and_its_hook_wakes_it(hub, cluster):
    flow = hub.await_ready("contract-zero")
    assert hub.hook("contract-zero", {"word": "one"}).status == 200
    assert cluster.pods(flow["id"])
    hub.until(lambda: not cluster.pods(flow["id"]), "its pod to end")
    assert hub.hook("contract-zero", {"word": "two"}).json["output"] == {"word": "two"}


def test_a_run_that_waits_keeps_nothing_awake_and_goes_on(hub, request):
    flow = hub.await_ready("contract-approved")
    run_id = hub.execute("contract-approved", wait_seconds=0)["run_id"]
    hub.await_run(run_id, "waiting")
    if hub.is_cluster:
        cluster = request.getfixturevalue("cluster")
        hub.until(lambda: not cluster.pods(flow["id"]), "its pod to end")
    else:
        hub.until(lambda: awake(hub, flow) == 0, "its worker to end")
    assert hub.run(run_id)["status"] == "waiting"
    assert hub.ask("POST", f"/api/runs/{run_id}/resume", {"decision": {"approved": False}}).status == 202
    assert hub.await_run(run_id, "succeeded")["output"] == {"approved": False}
