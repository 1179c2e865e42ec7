"""Runs that wait, for a time, an event or a person, and go on."""


def test_a_run_waits_for_a_time_and_goes_on_by_itself(hub):
    hub.await_ready("contract-sleeping")
    answer = hub.hook("contract-sleeping")
    assert (answer.status, answer.json["status"]) == (202, "waiting")
    assert hub.run(answer.json["run_id"])["waiting_for"]["kind"] == "time"
    assert hub.await_run(answer.json["run_id"], "succeeded")["output"] == {"steps": 2}


def test_a_run_waits_for_its_event_and_for_no_other_ones(hub):
    hub.await_ready("contract-awaiting")
    mine, others = (hub.hook("contract-awaiting", {"n": number}).json["run_id"] for number in ("31", "32"))
    assert hub.send("contract.wake", {"word": "good morning"}, subject="31").status == 202
    assert hub.await_run(mine, "succeeded")["output"] == {"word": "good morning"}
    assert hub.run(others)["status"] == "waiting"
    assert hub.send("contract.wake", {"word": "at last"}, subject="32").status == 202
    hub.await_run(others, "succeeded")


def test_a_run_waits_for_a_person_and_hears_what_they_decide(hub):
    hub.await_ready("contract-approved")
    run_id = hub.execute("contract-approved", wait_seconds=0, variables={"amount": 9})["run_id"]
    waiting = hub.await_run(run_id, "waiting")["waiting_for"]
    assert (waiting["kind"], waiting["question"]) == ("approval", "Spend 9?")
    assert hub.ask("POST", f"/api/runs/{run_id}/resume", {"decision": {"approved": True}}).status == 202
    assert hub.await_run(run_id, "succeeded")["output"] == {"approved": True}


def test_a_hook_whose_flow_takes_longer_than_its_sender_waits_answers_that_it_goes_on(hub):
    hub.await_ready("contract-slow")
    answer = hub.hook("contract-slow")
    assert answer.status == 202
    hub.until(lambda: [run["status"] for run in hub.runs("contract-slow")][:1] == ["succeeded"], "its end")
