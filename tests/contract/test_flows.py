"""Flows from publication to their end, and what becomes of their runs."""

import pytest

from tests.contract.flows import SECRET, VARIABLE

TEXT = """
listener: {type: webhook}
states:
  done: {state_type: end, result: {word: here}}
"""


def test_a_published_flow_gets_ready_and_its_hook_answers(hub):
    flow = hub.publish("contract-new", TEXT)
    assert (flow["version"], flow["slug"]) == (1, "contract-new")
    hub.await_ready("contract-new")
    answer = hub.hook("contract-new")
    assert (answer.status, answer.json["output"]) == (200, {"word": "here"})


def test_a_flow_that_cannot_work_is_refused_with_every_fault_and_its_place(hub):
    text = "states:\n  a: {state_type: sett, transition: b}\n  b: {state_type: wait}\n"
    answer = hub.ask("POST", "/api/flows", {"name": "contract-broken", "yaml_content": text})
    assert answer.status == 422
    faults = [each for each in answer.json["problems"] if each["severity"] == "error"]
    assert {each["line"] for each in faults} == {2, 3}
    assert hub.ask("GET", "/api/flows/contract-broken").status == 404


def test_a_hook_answers_what_its_flow_gives_and_the_run_is_told(hub):
    hub.await_ready("contract-echo")
    answer = hub.hook("contract-echo", {"word": "hello"})
    assert (answer.status, answer.json["output"]) == (200, {"word": "hello"})
    run = hub.run(answer.json["run_id"])
    assert (run["status"], run["end_state"], run["variables"]["word"]) == ("succeeded", "done", "hello")
    steps = hub.api("GET", f"/api/runs/{run['id']}/steps")["items"]
    assert [(step["state"], step["status"]) for step in steps] == [("say", "succeeded"), ("done", "succeeded")]


def test_a_hook_that_is_repeated_finds_the_run_of_the_first(hub):
    hub.await_ready("contract-echo")
    answers = [hub.hook("contract-echo", {"word": "once"}, Idempotency_Key=hub.named("once")) for _ in range(2)]
    assert [each.status for each in answers] == [200, 200]
    assert answers[0].json["run_id"] == answers[1].json["run_id"]


def test_a_flow_is_called_by_another_and_its_answer_comes_back(hub):
    hub.await_ready("contract-child")
    hub.await_ready("contract-parent")
    run = hub.execute("contract-parent")
    run = hub.await_run(run.get("id") or run["run_id"], "succeeded")
    assert run["output"] == {"doubled": 42}


def test_a_run_is_replayed_and_forked_with_other_values(hub):
    hub.await_ready("contract-echo")
    first = hub.hook("contract-echo", {"word": "original"}).json["run_id"]
    again = hub.api("POST", f"/api/runs/{first}/replay", {})["run_id"]
    assert hub.await_run(again, "succeeded")["output"] == {"word": "original"}
    fork = hub.api("POST", f"/api/runs/{first}/fork", {"seq": 2, "variables": {"word": "changed"}})["run_id"]
    forked = hub.await_run(fork, "succeeded")
    assert forked["output"] == {"word": "changed"}
    assert forked["copied_from"] == {"run_id": first, "seq": 2}


@pytest.mark.parametrize("slug", ["contract-approved", "contract-busy"])
def test_a_run_that_waits_or_works_is_cancelled(hub, slug):
    hub.await_ready(slug)
    run_id = hub.execute(slug, wait_seconds=0)["run_id"]
    hub.await_run(run_id, "waiting" if slug == "contract-approved" else "running")
    assert hub.ask("POST", f"/api/runs/{run_id}/cancel").status in (200, 202, 204)
    assert hub.await_run(run_id, "cancelled")["finished_at"]


def test_changed_variables_and_secrets_reach_a_flow_without_a_new_version(hub):
    hub.await_ready("contract-settings")
    first = hub.hook("contract-settings")
    assert first.json["output"] == {"word": "first", "length": 17}
    hub.api("POST", "/api/variables", {"key": VARIABLE, "value": "second"})
    hub.api("POST", "/api/secrets", {"name": SECRET, "value": "s3cret"})

    def changed():
        return hub.hook("contract-settings").json["output"] == {"word": "second", "length": 6}

    hub.until(changed, "the change to arrive")
    assert hub.flow("contract-settings")["version"] == 1


def test_a_secret_is_never_shown(hub):
    hub.await_ready("contract-settings")
    run_id = hub.hook("contract-settings").json["run_id"]
    told = hub.ask("GET", f"/api/runs/{run_id}/steps").body + hub.ask("GET", "/api/flows/contract-settings/logs").body
    assert b"the secret is " in told
    assert b"hunter22" not in told
    assert b"s3cret" not in told


def test_a_log_is_told_while_the_flow_runs(hub):
    hub.await_ready("contract-echo")
    with hub.watch("/api/flows/contract-echo/logs?follow=true") as messages:
        run_id = hub.hook("contract-echo", {"word": "live"}).json["run_id"]
        told = next(each for each in messages if each.kind == "log" and each.data["message"] == "said live")
    assert told.data["run_id"] == run_id


def test_a_run_is_followed_to_its_end(hub):
    hub.await_ready("contract-sleeping")
    run_id = hub.hook("contract-sleeping").json["run_id"]
    with hub.watch(f"/api/runs/{run_id}/events") as messages:
        told = list(messages)
    assert told[-1].kind == "end"
    assert told[-1].data["status"] == "succeeded"
    assert "waiting" in [each.data["status"] for each in told if each.kind == "status"]


def test_a_deleted_flow_leaves_nothing(hub):
    flow = hub.await_ready("contract-gone")
    run_id = hub.hook("contract-gone", {"word": "x"}).json["run_id"]
    assert hub.delete("contract-gone") == 204
    hub.until(lambda: hub.hook("contract-gone").status == 404, "the hook to be gone")
    assert hub.ask("GET", f"/api/flows/{flow['id']}").status == 404
    assert hub.ask("GET", f"/api/runs/{run_id}").status == 404


@pytest.mark.cluster
def test_a_deleted_flow_leaves_nothing_on_the_cluster(hub, cluster):
    hub.publish("contract-left", TEXT)
    flow = hub.await_ready("contract-left")
    assert cluster.belongings(flow["id"])
    assert hub.delete("contract-left") == 204
    hub.until(lambda: not cluster.belongings(flow["id"]), "the cluster to be rid of it")
