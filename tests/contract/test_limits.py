"""What is too large, too much, or not allowed is told as such, and costs nobody else anything."""

from tests.contract.flows import GREEDY_BYTES

LARGEST_EVENT = 1 << 20
BURST = 10_000
"""Events that may come at once (`INTELLYHUB_EVENTS_PER_SECOND` for five seconds)."""


def test_a_body_that_is_too_large_is_refused(hub):
    hub.await_ready("contract-narrow")
    assert hub.hook("contract-narrow", {"x": "y" * 10}).json["output"] == {"fine": True}
    refused = hub.hook("contract-narrow", {"x": "y" * GREEDY_BYTES})
    assert (refused.status, refused.json["type"]) == (413, "urn:intellyhub:problem:too-large")
    event = hub.send("contract.large", {"x": "y" * LARGEST_EVENT})
    assert (event.status, event.json["type"]) == (413, "urn:intellyhub:problem:too-large")


def test_who_sends_too_many_events_is_told_when_to_go_on_and_nobody_else_is(hub, other):
    kind = "application/cloudevents-batch+json"
    one = {"specversion": "1.0", "id": "same", "source": "/contract", "type": "contract.burst"}
    path = f"/events/{other.tenant}"
    answers = [other.ask("POST", path, [one] * (BURST // 2), Content_Type=kind) for _ in range(6)]
    refused = next(each for each in answers if each.status == 429)
    assert refused.json["type"] == "urn:intellyhub:problem:too-many"
    assert int(refused.headers["retry-after"]) >= 1
    assert hub.send("contract.burst").status == 202


def test_what_is_no_event_is_refused_with_its_faults(hub):
    answer = hub.ask("POST", f"/events/{hub.tenant}", {"id": ""}, Content_Type="application/cloudevents+json")
    assert (answer.status, answer.json["type"]) == (400, "urn:intellyhub:problem:bad-event")


def test_a_hook_that_nobody_has_is_not_found(hub):
    assert hub.hook("contract-nobody").status == 404
