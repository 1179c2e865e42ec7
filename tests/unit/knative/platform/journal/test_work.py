"""The broker hears of work the moment there is some, and of nothing else."""

import threading
import time

import pytest

from intellyhub_knative.platform.outbox import Outcome, Routing, Settlement
from tests.unit.engine.journal.runs import ALICE, begin, make_event, record, step_finished, suspended
from tests.unit.knative.platform.journal.services import DOOR, TENANT

ACTS = {
    "accept": lambda client, due: client.accept(TENANT, [make_event("2")]),
    "settle": lambda client, due: client.settle([Settlement(due.delivery_id, Outcome.DELIVERED)]),
    "release": lambda client, due: client.release("run-1", owner=ALICE),
    "orphan": lambda client, due: client.orphan(ALICE),
    "suspend": lambda client, due: record(client, suspended(until_ns=1)),
}


@pytest.fixture
def delivery(client):
    begin(client)
    [accepted] = client.accept(TENANT, [make_event("1")])
    client.route([Routing(accepted.number, (DOOR,))])
    return client.due(2**62)[0]


@pytest.fixture
def broker(service, delivery):
    made = service.client()
    made.wait_for_work()  # the first returns at once
    yield made
    made.close()


@pytest.mark.parametrize("act", ACTS)
def test_work_ends_the_wait(client, broker, delivery, act):
    waiting = threading.Thread(target=broker.wait_for_work, args=(30,))
    waiting.start()
    ACTS[act](client, delivery)
    waiting.join(10)
    assert not waiting.is_alive()


@pytest.mark.parametrize("act", ACTS)
def test_work_that_came_between_two_waits_is_not_missed(client, broker, delivery, act):
    ACTS[act](client, delivery)
    began = time.monotonic()
    broker.wait_for_work(30)
    assert time.monotonic() - began < 10


def test_a_step_is_no_work(client, broker, clock, service):
    record(client, step_finished())
    began = time.monotonic()
    waiting = threading.Thread(target=broker.wait_for_work, args=(30,))
    waiting.start()
    record(client, step_finished())
    clock.advance(40)  # so that the wait ends with its time
    client.accept(TENANT, [make_event("3")])
    waiting.join(10)
    assert not waiting.is_alive()
    assert time.monotonic() - began < 10


def test_what_becomes_due_ends_the_wait_once(client, broker, delivery, clock):
    client.settle([Settlement(delivery.delivery_id, Outcome.RETRY, again_ns=clock.now_ns + 5_000_000_000)])
    broker.wait_for_work(30)
    clock.advance(6)
    broker.wait_for_work(30)
    began = time.monotonic()
    waiting = threading.Thread(target=broker.wait_for_work, args=(0.2,))
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    clock.advance(1)
    waiting.join(10)
    assert time.monotonic() - began < 10
