"""Versions: the way there, the way back, and what becomes of runs that began before."""

import pytest

from tests.contract.flows import make_version

ENOUGH = 40
"""Requests, of which a half goes astray with a probability of 2 in 2^40."""


def test_an_old_run_ends_on_its_own_version_and_the_way_back_is_one_call(hub):
    hub.await_ready("contract-versions")
    waiting = hub.hook("contract-versions", {"wait": True, "n": "41"}).json["run_id"]
    hub.await_run(waiting, "waiting")
    assert hub.publish("contract-versions", make_version(2))["version"] == 2
    hub.await_ready("contract-versions", 2)
    hub.until(lambda: answered(hub) == 2, "version 2 to answer")
    assert hub.send("contract.go-on", subject="41").status == 202
    ended = hub.await_run(waiting, "succeeded")
    assert (ended["version"], ended["output"]) == (1, {"version": 1})
    assert hub.api("POST", "/api/flows/contract-versions/versions/1/rollback")["version"] == 1
    hub.await_ready("contract-versions", 1)
    hub.until(lambda: answered(hub) == 1, "version 1 to answer")


def answered(hub, slug="contract-versions"):
    """The version that answers a request."""
    return hub.hook(slug, {"wait": False}).json["output"]["version"]


def test_a_change_of_what_somebody_else_changed_is_refused(hub):
    hub.await_ready("contract-addressed")
    answer = hub.ask("PUT", "/api/flows/contract-addressed", {"active": True}, If_Match='"not this"')
    assert (answer.status, answer.json["type"]) == (412, "urn:intellyhub:problem:stale")


@pytest.mark.local
def test_on_one_machine_a_new_version_has_all_requests_at_once(hub):
    answer = hub.ask("POST", "/api/flows/contract-rollout/rollout", {"percent": 50})
    assert (answer.status, "cluster" in answer.json["detail"]) == (409, True)


@pytest.mark.cluster
def test_a_new_version_gets_its_part_of_the_requests_and_then_all_of_them(hub):
    hub.await_ready("contract-rollout")
    change = {"yaml_content": make_version(2), "rollout": {"percent": 50}}
    assert hub.api("PUT", "/api/flows/contract-rollout", change)["version"] == 2

    def both():
        return {answered(hub, "contract-rollout") for _ in range(ENOUGH)} == {1, 2}

    hub.until(both, "both versions to answer")
    rollout = hub.flow("contract-rollout")["deployment"]["rollout"]
    assert (rollout["version"], rollout["stable"], rollout["percent"]) == (2, 1, 50)
    hub.api("POST", "/api/flows/contract-rollout/promote")

    def only_the_new_one():
        return {answered(hub, "contract-rollout") for _ in range(ENOUGH)} == {2}

    hub.until(only_the_new_one, "version 2 to have all requests")
