"""Events from outside and from flows: whom they reach, how often, and where they end when nobody takes them."""


def runs_of(hub, slug, event_id):
    return [run for run in hub.runs(slug) if (run["event"] or {}).get("id") == hub.named(event_id)]


def test_an_event_reaches_the_flow_that_listens_for_it_once_however_often_it_comes(hub):
    hub.await_ready("contract-listening")
    answers = [hub.send("contract.order", {"n": 1}, id="twice") for _ in range(2)]
    assert [each.status for each in answers] == [202, 202]
    assert [each.json["accepted"] for each in answers] == [1, 0]
    assert hub.send("contract.order", {"n": 2}, id="marker").status == 202
    hub.await_run_of("contract-listening", n=2)
    hub.await_run_of("contract-listening", n=1)
    assert len(runs_of(hub, "contract-listening", "twice")) == 1


def test_an_event_that_no_filter_lets_through_makes_no_run(hub):
    hub.await_ready("contract-listening")
    assert hub.send("contract.order", {"n": 3}, id="left-out", subject="test").status == 202
    assert hub.send("contract.order", {"n": 4}, id="let-in", subject="other").status == 202
    hub.await_run_of("contract-listening", n=4)
    assert runs_of(hub, "contract-listening", "left-out") == []


def test_an_addressed_event_reaches_its_flow_whatever_that_listens_for(hub):
    flow = hub.await_ready("contract-addressed")
    assert hub.send("contract.anything", {"n": 5}, flow=flow["id"]).status == 202
    assert hub.send("contract.anything", {"n": 6}, flow="contract-addressed").status == 202
    hub.await_run_of("contract-addressed", n=5)
    hub.await_run_of("contract-addressed", n=6)


def test_what_a_flow_emits_reaches_another_one(hub):
    for slug in ("contract-asking", "contract-answering"):
        hub.await_ready(slug)
    assert hub.send("contract.question", {"n": 7}).status == 202
    run = hub.await_run_of("contract-answering", n=7)
    assert run["event"]["type"] == "contract.answer"


def test_an_event_for_a_flow_that_is_not_there_is_a_dead_letter_that_says_so(hub):
    assert hub.send("contract.late", {"n": 8}, id="late", flow="contract-late").status == 202
    letter = hub.until(lambda: hub.letter("late"), "the dead letter")
    assert "contract-late" in letter["error"]
    assert hub.ask("DELETE", f"/api/dead-letters/{letter['id']}").status == 204
    assert hub.letter("late") is None


def test_such_an_event_is_redelivered_once_its_flow_is_there(hub):
    assert hub.send("contract.later", {"n": 9}, id="later", flow="contract-later").status == 202
    letter = hub.until(lambda: hub.letter("later"), "the dead letter")
    hub.publish("contract-later", "states: {done: {state_type: end, result: {n: '{n}'}}}")
    hub.await_ready("contract-later")
    assert hub.ask("POST", f"/api/dead-letters/{letter['id']}/redeliver").status == 202
    [run] = hub.until(lambda: hub.runs("contract-later"), "its run")
    assert run["event"]["type"] == "contract.later"
    assert hub.letter("later") is None


def test_a_batch_is_taken_whole_or_not_at_all(hub):
    hub.await_ready("contract-listening")
    kind = "application/cloudevents-batch+json"
    batch = [
        {
            "specversion": "1.0",
            "id": hub.named(f"batch-{n}"),
            "source": "/contract",
            "type": "contract.order",
            "data": {"n": n},
        }
        for n in (21, 22)
    ]
    refused = hub.ask("POST", f"/events/{hub.tenant}", [*batch, {"specversion": "1.0"}], Content_Type=kind)
    assert (refused.status, refused.json["type"]) == (400, "urn:intellyhub:problem:bad-event")
    taken = hub.ask("POST", f"/events/{hub.tenant}", batch, Content_Type=kind)
    assert (taken.status, taken.json["accepted"]) == (202, 2)
    hub.await_run_of("contract-listening", n=21)
    hub.await_run_of("contract-listening", n=22)
