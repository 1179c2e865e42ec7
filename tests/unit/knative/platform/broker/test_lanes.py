"""What the broker holds, and what it asks the journal for."""

import pytest

from intellyhub_engine.events import Event
from intellyhub_knative.platform.broker import lanes
from intellyhub_knative.platform.broker.lanes import Lanes
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.outbox import Due
from tests.unit.knative.platform.house_double import make_flow, make_tenant


@pytest.fixture
def flow(layout):
    return make_flow(layout, max_scale=2)  # and two more that wait in the socket


def held_by(layout):
    desired = Desired(layout)
    desired.read()
    return Lanes(desired)


def due(flow, number, data=None):
    event = Event(id=str(number), source="/s", type="t", data=data)
    return Due(number, flow.tenant_id, flow.flow_id, event, 1, 1, 0)


def fill(held, flow, count, data=None):
    """What was taken, and what of it has its turn."""
    taken = [number for number in range(count) if held.take(due(flow, number, data))]
    return taken, [one.delivery_id for one in held.turns()]


def test_what_has_no_turn_waits_for_it_in_its_order(layout, flow):
    held = held_by(layout)
    taken, begun = fill(held, flow, 6)
    assert (taken, begun, held.under_way) == ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3], 4)
    held.free(due(flow, 2))
    assert [one.delivery_id for one in held.turns()] == [4]


def test_a_flow_is_asked_for_again_before_it_has_nothing_left(layout, flow):
    held = held_by(layout)
    fill(held, flow, 8)
    assert held.shut() == [flow.flow_id]
    held.free(due(flow, 0))
    list(held.turns())
    assert held.shut() == []


def test_no_more_wait_than_there_are_places(layout, flow, monkeypatch):
    monkeypatch.setattr(lanes, "MOST_WAITING_OF_A_FLOW", 3)
    held = held_by(layout)
    assert len(fill(held, flow, 4)[1]) == 4
    assert [held.take(due(flow, number)) for number in range(10, 15)] == [True, True, True, False, False]
    assert held.shut() == [flow.flow_id]


def test_large_events_wait_in_the_journal(layout, flow):
    held = held_by(layout)
    fill(held, flow, 4)
    assert not held.take(due(flow, 9, "x" * (lanes.MOST_WAITING_BYTES + 1)))
    assert held.shut() == [flow.flow_id]
    held.free(due(flow, 0))
    assert held.shut() == []
    assert held.take(due(flow, 9, "x" * (lanes.MOST_WAITING_BYTES + 1)))


def test_a_tenant_holds_so_many_bytes_and_always_one_delivery(layout, flow, monkeypatch):
    monkeypatch.setattr(lanes, "MOST_BYTES_OF_A_TENANT", 100)
    make_tenant(layout, "other")
    foreign = make_flow(layout, "theirs", tenant="other")
    held = held_by(layout)
    assert fill(held, flow, 2, "x" * 150) == ([0], [0])
    assert held.shut() == [flow.flow_id]
    assert held.take(due(foreign, 7, "x" * 150))
    held.free(due(flow, 0))
    assert held.shut() == []
    assert held.take(due(flow, 1, "x" * 150))


def test_nothing_is_kept_of_what_has_ended(layout, flow):
    held = held_by(layout)
    for number in fill(held, flow, 4, {"a": [1]})[1]:
        held.free(due(flow, number))
    assert (held.held, held.under_way, held.room) == ({}, 0, lanes.MOST + lanes.MOST_WAITING)
    assert not [counts for counts in vars(held).values() if isinstance(counts, dict) and counts]
