"""Which way an event goes on a cluster."""

import pytest

from intellyhub_knative.platform.broker.forward_routing import forward
from intellyhub_knative.platform.broker.lane_names import lane_of
from intellyhub_knative.platform.deployments import Rollout
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.outbox import Unrouted
from tests.unit.knative.platform.broker.scenes import make_event, make_run
from tests.unit.knative.platform.house_double import an_id, make_flow, make_tenant

LISTENS = ({"prefix": {"type": "order."}},)
TENANT = an_id("tenant acme")


def ways(layout, event, *, waiting=(), standing=None):
    """Where it goes: lanes and flows."""
    desired = Desired(layout)
    desired.read()
    sound = {flow_id for flow_id, flow in desired.deployments.items() if flow.filters}
    stands = (lambda flow: True) if standing is None else (lambda flow: flow.slug in standing)
    return list(forward(Unrouted(1, TENANT, event, 0), desired, waiting, sound, stands).flow_ids)


def test_an_event_for_one_flow_queues_with_it_and_others_with_the_tenant(layout):
    orders, mail = make_flow(layout, "orders", filters=LISTENS), make_flow(layout, "mail")
    addressed = make_event(extensions={"flow": "mail"})
    assert ways(layout, make_event()) == [lane_of(orders.flow_id)]
    assert ways(layout, make_event(type="x")) == [lane_of(TENANT)]
    assert ways(layout, addressed) == [lane_of(TENANT)]  # to `mail`, and to what listens for it
    assert ways(layout, make_event(type="x", extensions={"flow": "mail"})) == [lane_of(mail.flow_id)]
    make_flow(layout, "more", filters=LISTENS)
    assert ways(layout, make_event()) == [lane_of(TENANT)]


def test_a_flow_whose_trigger_does_not_stand_gets_it_straight(layout):
    orders, more = make_flow(layout, "orders", filters=LISTENS), make_flow(layout, "more", filters=LISTENS)
    assert ways(layout, make_event(), standing={"more"}) == [lane_of(more.flow_id), orders.flow_id]
    addressed = make_event(extensions={"flow": orders.flow_id})
    assert ways(layout, addressed, standing={"more"}) == [lane_of(more.flow_id), orders.flow_id]


def test_a_flow_that_is_asleep_gets_it_straight_when_it_wakes(layout):
    asleep = make_flow(layout, "asleep", active=False)
    assert ways(layout, make_event(extensions={"flow": "asleep"})) == [asleep.flow_id]
    make_tenant(layout, suspended=True)
    listening = make_flow(layout, "orders", filters=LISTENS)
    assert ways(layout, make_event()) == [lane_of(TENANT), listening.flow_id]


def test_a_run_of_another_version_gets_it_straight_and_one_of_the_current_by_its_trigger(layout):
    orders = make_flow(layout, "orders", filters=LISTENS, versions=((2, "d2"), (1, "d1")))
    lane = lane_of(orders.flow_id)
    assert ways(layout, make_event(), waiting=[make_run(orders, version="d2")]) == [lane]
    assert ways(layout, make_event(), waiting=[make_run(orders, version="d1")]) == [lane, orders.flow_id]
    only_waits = make_event(type="payment")
    assert ways(layout, only_waits, waiting=[make_run(orders, version="d2")]) == [lane_of(TENANT), orders.flow_id]
    rolling = Rollout(stable=1, percent=10)
    orders = make_flow(layout, "orders", filters=LISTENS, versions=((2, "d2"), (1, "d1")), rollout=rolling)
    assert ways(layout, make_event(), waiting=[make_run(orders, version="d2")]) == [lane, orders.flow_id]


@pytest.mark.parametrize("fields", [{"source": "HTTP://x"}, {"time": "2026-01-31t00:00:00z"}])
def test_what_a_broker_would_change_goes_straight(layout, fields):
    orders = make_flow(layout, "orders", filters=LISTENS)
    assert ways(layout, make_event(**fields)) == [orders.flow_id]


def test_what_triggers_see_in_another_way_goes_both_ways(layout):
    orders = make_flow(layout, "orders", filters=({"exact": {"subject": "a b"}},))
    assert ways(layout, make_event(subject="a b")) == [lane_of(orders.flow_id), orders.flow_id]


def test_who_listens_for_a_slug_that_becomes_an_id_on_the_way_gets_it_straight(layout):
    make_flow(layout, "mail")
    curious = make_flow(layout, "curious", filters=({"exact": {"flow": "mail"}},))
    assert ways(layout, make_event(extensions={"flow": "mail"})) == [lane_of(TENANT), curious.flow_id]


def test_an_address_that_nobody_has_is_kept_and_one_that_looks_like_a_lane_is_none(layout):
    victim = make_flow(layout, "victim")
    assert ways(layout, make_event(extensions={"flow": "nobody"})) == ["nobody"]
    forged = lane_of(victim.flow_id)
    assert ways(layout, make_event(extensions={"flow": forged})) == [f"?{forged}"]


def test_flows_of_other_tenants_are_not_reached(layout):
    make_tenant(layout, "other")
    theirs = make_flow(layout, "theirs", tenant="other", filters=LISTENS)
    assert ways(layout, make_event()) == [lane_of(TENANT)]
    assert ways(layout, make_event(extensions={"flow": theirs.flow_id})) == [theirs.flow_id]  # a dead letter there
