"""The journal in memory answers the broker as the service does: the same questions to both."""

import asyncio
import time

import pytest

from intellyhub_engine.events import Event
from intellyhub_knative.platform.journal.client import AsyncJournalClient
from intellyhub_knative.platform.keys import Purpose
from intellyhub_knative.platform.outbox import Outcome, Routing, Settlement
from tests.unit.knative.platform.journal.services import BELL, DOOR, KEYS, OTHER_TENANT, TENANT, Service
from tests.unit.knative.platform.memory_journal import MemoryJournal

LATER_NS = 1 << 62


@pytest.fixture(params=["memory", "service"])
def ask(request):
    """Runs a scene, `async def scene(journal)`, with a new journal."""
    if request.param == "memory":
        yield lambda scene: asyncio.run(scene(MemoryJournal()))
        return
    service = Service(time.time_ns)

    async def connected(scene):
        client = AsyncJournalClient(service.address, KEYS.token(Purpose.JOURNAL))
        try:
            return await scene(client)
        finally:
            await client.close()

    yield lambda scene: asyncio.run(connected(scene))
    service.stop()


def events(*ids):
    return [Event(id=each, source="/s", type="t", data={"n": each}) for each in ids]


async def deliver(journal, *ids, to=(DOOR,)):
    accepted = await journal.accept(TENANT, events(*ids))
    await journal.route([Routing(one.number, to) for one in accepted])
    return await journal.due(LATER_NS)


def test_an_event_is_stored_once_for_each_tenant(ask):
    async def scene(journal):
        first = await journal.accept(TENANT, events("1", "2"))
        again = await journal.accept(TENANT, events("2", "3"))
        other = await journal.accept(OTHER_TENANT, events("1"))
        known = [one.known for one in (*first, *again, *other)]
        return known, [(one.tenant_id, one.event.id, one.hops) for one in await journal.unrouted()]

    known, unrouted = ask(scene)
    assert known == [False, False, True, False, False]
    assert unrouted == [(TENANT, "1", 0), (TENANT, "2", 0), (TENANT, "3", 0), (OTHER_TENANT, "1", 0)]


def test_an_event_is_routed_once(ask):
    async def scene(journal):
        [one] = await journal.accept(TENANT, events("1"))
        for flows in ((DOOR, BELL), (DOOR,)):
            await journal.route([Routing(one.number, flows)])
        due = await journal.due(LATER_NS)
        return [(each.flow_id, each.attempt, each.tenant_id) for each in due], await journal.unrouted()

    due, unrouted = ask(scene)
    assert sorted(due) == sorted([(DOOR, 1, TENANT), (BELL, 1, TENANT)])
    assert list(unrouted) == []


def test_what_is_under_way_or_shut_is_left_out(ask):
    async def scene(journal):
        due = await deliver(journal, "1", "2", to=(DOOR, BELL))
        first = due[0].delivery_id
        others = await journal.due(LATER_NS, beyond=[first])
        open_only = await journal.due(LATER_NS, except_flows=[DOOR])
        return first, others, open_only, await journal.due(LATER_NS, limit=1), await journal.due(0)

    first, others, open_only, page, early = ask(scene)
    assert len(others) == 3
    assert first not in [each.delivery_id for each in others]
    assert [each.flow_id for each in open_only] == [BELL, BELL]
    assert (len(page), len(early)) == (1, 0)


def test_a_retry_is_due_at_its_time_with_the_next_attempt(ask):
    async def scene(journal):
        [one] = await deliver(journal, "1")
        again_ns = time.time_ns() + 3_600_000_000_000
        await journal.settle([Settlement(one.delivery_id, Outcome.RETRY, again_ns=again_ns, code=503)])
        return await journal.due(time.time_ns()), await journal.due(again_ns)

    now, then = ask(scene)
    assert list(now) == []
    assert [each.attempt for each in then] == [2]


@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.DEAD])
def test_what_is_settled_stays_so_and_its_reply_is_stored_once(ask, outcome):
    reply = Event(id="r", source="/f", type="t")

    async def scene(journal):
        [one] = await deliver(journal, "1")
        first = Settlement(one.delivery_id, outcome, code=200, reply=reply if outcome is Outcome.DELIVERED else None)
        await journal.settle([first])
        await journal.settle([first, Settlement(one.delivery_id, Outcome.RETRY)])
        return await journal.due(LATER_NS), await journal.unrouted(), await journal.counts()

    due, unrouted, counts = ask(scene)
    assert list(due) == []
    assert [(one.event.id, one.hops) for one in unrouted] == ([("r", 1)] if outcome is Outcome.DELIVERED else [])
    assert (counts["pending"], counts["dead"]) == (0, 1 if outcome is Outcome.DEAD else 0)


def test_whoever_waits_for_work_is_woken_by_an_event(ask):
    async def scene(journal):
        waiting = asyncio.create_task(wait_twice(journal))
        await asyncio.sleep(0.05)
        await journal.accept(TENANT, events("1"))
        async with asyncio.timeout(10):
            await waiting

    async def wait_twice(journal):
        await journal.wait_for_work(0.01)
        await journal.wait_for_work(30)

    ask(scene)


def test_what_was_given_up_elsewhere_is_buried_once(ask):
    async def scene(journal):
        [event] = events("1")
        first = await journal.bury(TENANT, DOOR, event, code=400, error="no", attempts=3)
        again = await journal.bury(TENANT, DOOR, event, code=500, error="other", again=True)
        other = await journal.bury(TENANT, BELL, event, again=True, hops=2)
        due = await journal.due(LATER_NS)
        return [first, again, other], due, dict(await journal.counts()), await journal.unrouted()

    made, due, counts, unrouted = ask(scene)
    assert made == [True, False, True]
    assert [(one.flow_id, one.attempt, one.event.data) for one in due] == [(BELL, 1, {"n": "1"})]
    assert (counts["dead"], counts["pending"], list(unrouted)) == (1, 1, [])
