"""Events on their way: stored once, routed once, delivered until it is settled."""

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.outbox import Outcome, Routing, Settlement
from tests.unit.engine.journal.runs import make_event
from tests.unit.knative.platform.journal.services import BELL, DOOR, OTHER_TENANT, TENANT


def deliver(client, *ids, to=(DOOR,), tenant=TENANT, **attributes):
    """Accept events and make their deliveries; the deliveries."""
    accepted = client.accept(tenant, [make_event(event_id, **attributes) for event_id in ids])
    client.route([Routing(one.number, to) for one in accepted])
    return [one for one in client.due(2**62) if one.event.id in ids]


def settle(client, delivery, outcome, **facts):
    client.settle([Settlement(delivery.delivery_id, outcome, **facts)])


# Storing


def test_an_event_is_stored_once_per_tenant(client):
    first, again = client.accept(TENANT, [make_event("1")]) + client.accept(TENANT, [make_event("1", data=2)])
    assert (first.known, again.known, again.number) == (False, True, first.number)
    assert client.accept(OTHER_TENANT, [make_event("1")])[0].known is False
    assert [(one.tenant_id, one.event.data) for one in client.unrouted()] == [(TENANT, None), (OTHER_TENANT, None)]


def test_an_event_that_comes_twice_in_one_batch_is_known_the_second_time(client):
    assert [one.known for one in client.accept(TENANT, [make_event("1"), make_event("1")])] == [False, True]


def test_an_event_comes_back_as_it_was(client):
    event = make_event(
        data={"text": "ä\nb", "n": [1, 2.5, None]},
        subject="s",
        time="2026-01-31T00:00:00Z",
        datacontenttype="application/json",
        extensions={"flow": "x"},
    )
    client.accept(TENANT, [event], hops=3)
    [unrouted] = client.unrouted()
    assert (unrouted.event, unrouted.hops) == (event, 3)


def test_an_event_too_large_to_keep_stores_nothing_of_its_batch(client):
    with pytest.raises(InputInvalid, match="up to 8,388,608 are kept"):
        client.accept(TENANT, [make_event("1"), make_event("2", data="x" * 9_000_000)])
    assert client.counts()["unrouted"] == 0


def test_events_that_are_large_together_come_in_several_pages(client):
    for number in range(4):
        client.accept(TENANT, [make_event(str(number), data="x" * 600_000)])
    seen = []
    while page := client.unrouted():
        assert len(page) < 4
        seen += [one.event.id for one in page]
        client.route([Routing(one.number, ()) for one in page])
    assert seen == ["0", "1", "2", "3"]


# Routing


def test_a_routed_event_is_routed_no_more(client):
    [delivery] = deliver(client, "1")
    client.route([Routing(1, (DOOR, BELL))])
    assert client.unrouted() == []
    assert client.due(2**62) == [delivery]


def test_an_event_to_nobody_is_done(client):
    assert deliver(client, "1", to=()) == []
    assert client.counts() == {"unrouted": 0, "pending": 0, "dead": 0}


# What is due


def test_deliveries_are_due_oldest_first_without_those_in_flight(client, clock):
    first, second = deliver(client, "1", "2")
    assert client.due(clock.now_ns) == [first, second]
    assert client.due(clock.now_ns, beyond=[first.delivery_id]) == [second]
    assert client.due(clock.now_ns, limit=1) == [first]
    assert client.due(clock.now_ns - 1) == []


def test_a_flow_that_can_take_no_more_hides_no_other(client):
    deliver(client, *map(str, range(20)))
    [other] = deliver(client, "x", to=(BELL,))
    assert client.due(2**62, limit=5, except_flows={DOOR}) == [other]


def test_the_next_moment_is_that_of_the_first_delivery(client, clock):
    assert client.next_due_ns() is None
    now, later = deliver(client, "1", "2")
    settle(client, later, Outcome.RETRY, again_ns=clock.now_ns + 9)
    assert client.next_due_ns() == clock.now_ns
    settle(client, now, Outcome.DELIVERED)
    assert client.next_due_ns() == clock.now_ns + 9


# Settling


def test_a_delivered_event_is_gone_but_known(client):
    [delivery] = deliver(client, "1")
    settle(client, delivery, Outcome.DELIVERED, code=202)
    assert client.counts() == {"unrouted": 0, "pending": 0, "dead": 0}
    assert client.accept(TENANT, [make_event("1")])[0].known


def test_a_retry_raises_the_attempt_and_waits(client, clock):
    [delivery] = deliver(client, "1")
    settle(client, delivery, Outcome.RETRY, again_ns=clock.now_ns + 5, code=503, error="busy")
    assert client.due(clock.now_ns + 4) == []
    assert [one.attempt for one in client.due(clock.now_ns + 5)] == [2]


def test_a_delivery_settled_for_good_stays_so_and_its_reply_is_stored_once(client):
    [delivery] = deliver(client, "1")
    settle(client, delivery, Outcome.DELIVERED, reply=make_event("reply-1"))
    for outcome in Outcome:
        settle(client, delivery, outcome, reply=make_event("reply-2"))
    assert [(one.event.id, one.tenant_id, one.hops) for one in client.unrouted()] == [("reply-1", TENANT, 1)]
    assert client.counts()["dead"] == 0


def test_the_number_of_a_delivery_is_never_given_again(client):
    [first] = deliver(client, "1")
    settle(client, first, Outcome.DELIVERED)
    [second] = deliver(client, "2")
    settle(client, first, Outcome.DEAD)
    assert client.due(2**62) == [second]


# Dead letters


def test_dead_letters_are_listed_newest_first_page_by_page(client, clock):
    for number, delivery in enumerate(deliver(client, "1", "2", "3")):
        settle(client, delivery, Outcome.DEAD, code=500 + number, error="no")
    first, second = client.dead_letters(TENANT, limit=2)
    [third] = client.dead_letters(TENANT, limit=2, before=second.delivery_id)
    assert [one.event.id for one in (first, second, third)] == ["3", "2", "1"]
    assert (first.code, first.error, first.attempts, first.died_ns) == (502, "no", 1, clock.now_ns)
    assert client.dead_letters(TENANT, flow_id=BELL) == []
    assert client.dead_letters(OTHER_TENANT) == []


def test_a_dead_letter_can_be_delivered_again_with_all_attempts_before_it(client):
    [delivery] = deliver(client, "1")
    settle(client, delivery, Outcome.RETRY)
    settle(client, delivery, Outcome.DEAD)
    assert client.redeliver(OTHER_TENANT, [delivery.delivery_id]) == 0
    assert client.redeliver(TENANT, [delivery.delivery_id]) == 1
    assert client.redeliver(TENANT, [delivery.delivery_id]) == 0
    assert [one.attempt for one in client.due(2**62)] == [1]


def test_a_dead_letter_can_be_thrown_away_by_its_tenant_only(client):
    [delivery] = deliver(client, "1")
    settle(client, delivery, Outcome.DEAD)
    assert client.discard(OTHER_TENANT, [delivery.delivery_id]) == 0
    assert client.discard(TENANT, [delivery.delivery_id]) == 1
    assert client.counts()["dead"] == 0


def test_a_large_event_leaves_its_room_with_its_last_delivery(client, service):
    one, other = deliver(client, "1", to=(DOOR, BELL), data="x" * 5000)
    settle(client, one, Outcome.DELIVERED)
    assert client.due(2**62)[0].event.data == "x" * 5000
    settle(client, other, Outcome.DELIVERED)
    assert service.ask("SELECT body FROM event") == [("",)]
    assert client.accept(TENANT, [make_event("1")])[0].known


# Given up elsewhere


def test_a_dead_letter_that_comes_back_is_kept_once_and_can_be_redelivered(client):
    event = make_event("1", data={"n": 1})
    assert client.bury(TENANT, DOOR, event, code=400, error="no", attempts=3, hops=2) is True
    assert client.bury(TENANT, DOOR, event, code=500, error="again") is False
    [letter] = client.dead_letters(TENANT)
    assert (letter.event, letter.flow_id, letter.attempts, letter.code, letter.error) == (event, DOOR, 3, 400, "no")
    assert client.unrouted() == []
    assert client.redeliver(TENANT, [letter.delivery_id]) == 1
    [due] = client.due(2**62)
    assert (due.event, due.attempt, due.hops) == (event, 1, 2)
    assert client.bury(TENANT, DOOR, event, again=True) is False


def test_what_is_to_be_delivered_again_is_due_at_once_with_its_content(client, clock):
    [delivery] = deliver(client, "1", data="x" * 5000)
    settle(client, delivery, Outcome.DELIVERED)  # its content leaves with its last delivery
    assert client.bury(TENANT, BELL, make_event("1", data="x" * 5000), again=True) is True
    [due] = client.due(clock.now_ns)
    assert (due.flow_id, due.event.data, due.attempt) == (BELL, "x" * 5000, 1)
    assert client.bury(OTHER_TENANT, BELL, make_event("1"), again=True) is True
