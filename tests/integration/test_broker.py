"""The broker with the real journal service, as processes; flows are sockets of the test."""

import asyncio
import contextlib
import time
from collections import Counter
from functools import partial

import pytest

from intellyhub_engine.events import Event
from intellyhub_knative.platform.deployments import Delivery
from intellyhub_knative.platform.journal.client import AsyncJournalClient
from intellyhub_knative.platform.keys import Purpose, load_keys
from tests.integration.platform_processes import Process
from tests.unit.knative.platform.flow_double import FlowDouble, Say, problem
from tests.unit.knative.platform.house_double import data_folder, make_flow, make_tenant, until

pytestmark = pytest.mark.slow


@pytest.fixture
def layout():
    with data_folder() as layout:
        make_tenant(layout)
        yield layout


@contextlib.asynccontextmanager
async def journal_of(layout):
    client = AsyncJournalClient(layout.socket("journal"), load_keys(layout.key).token(Purpose.JOURNAL))
    try:
        yield client
    finally:
        await client.close()


def make_events(numbers, **extensions):
    return [
        Event(id=str(number), source="/shop", type="order.created", data={"n": number}, extensions=extensions)
        for number in numbers
    ]


def has_got(worker, count):
    return len(worker.got) > count


async def is_done(journal):
    counts = await journal.counts()
    return counts["unrouted"] == counts["pending"] == 0


async def until_done(journal, seconds=30):
    ends = time.monotonic() + seconds
    while not await is_done(journal):
        assert time.monotonic() < ends, await journal.counts()
        await asyncio.sleep(0.02)


def test_events_are_routed_delivered_retried_replied_to_and_buried(layout):
    first = make_flow(
        layout, "first", filters=({"prefix": {"type": "order."}},), delivery=Delivery(backoff_delay_seconds=0.01)
    )
    second = make_flow(layout, "second", filters=({"exact": {"type": "paid"}},))
    strict = make_flow(layout, "strict")
    reply = {"ce-specversion": "1.0", "ce-id": "p", "ce-source": "/first", "ce-type": "paid"}
    answers = [problem(503, "run-retryable"), Say(200, tuple(reply.items()))]

    async def scene():
        async with (
            journal_of(layout) as journal,
            FlowDouble(layout.flow_socket(first.flow_id, 1), lambda got: answers.pop(0)),
            FlowDouble(layout.flow_socket(second.flow_id, 1)) as worker,
            FlowDouble(layout.flow_socket(strict.flow_id, 1), lambda got: Say(400, body=b"no")),
        ):
            await journal.accept(first.tenant_id, make_events([1]))
            await until(lambda: worker.got)
            await journal.accept(first.tenant_id, make_events([2], flow="nobody"))
            await journal.accept(first.tenant_id, [Event(id="3", source="/x", type="x", extensions={"flow": "strict"})])
            await until_done(journal)
            return worker.got, await journal.dead_letters(first.tenant_id)

    with Process(layout, "journal"), Process(layout, "broker") as broker:
        # The event 2 passes the filter of `first`, whose answers are used up by then: it gets the one that is left.
        answers.append(Say())
        got, dead = asyncio.run(scene())
        state, metrics, health = broker.get("/state"), broker.get("/metrics"), broker.get("/healthz")
        assert broker.stop() == 0
    assert [one.headers["ce-type"] for one in got] == ["paid"]
    assert got[0].headers["ce-intellyhubhops"] == "1"
    assert [(letter.event.id, letter.code, letter.attempts, letter.error) for letter in dead] == [
        ("3", 400, 1, "the flow answered 400: no")
    ]
    assert (state["in_flight"], state["journal"]["dead"], health) == (0, 1, {"status": "ok"})
    assert 'intellyhub_broker_attempts_total{code="503",outcome="retry"} 1.0' in metrics


@pytest.mark.parametrize("victim", ["broker", "journal"])
def test_nothing_is_lost_when_a_process_is_killed_in_the_middle(layout, victim):
    flow = make_flow(layout, max_scale=20)
    count = 400

    async def scene(processes):
        runs: Counter[str] = Counter()

        def run_once(got):  # as a worker does: the run's key makes a redelivery find it
            runs[got.event_id] += 1
            return Say(seconds=0.01)

        async with journal_of(layout) as journal, FlowDouble(layout.flow_socket(flow.flow_id, 1), run_once) as worker:
            await journal.accept(flow.tenant_id, make_events(range(count), flow=flow.flow_id))
            for part in (1, 2):
                await until(partial(has_got, worker, count * part // 4))
                processes[victim].kill()
                await asyncio.to_thread(processes[victim].start)
            await until_done(journal)
            return runs, await journal.dead_letters(flow.tenant_id)

    with Process(layout, "journal") as journal, Process(layout, "broker") as broker:
        runs, dead = asyncio.run(scene({"broker": broker, "journal": journal}))
    assert set(runs) == {str(number) for number in range(count)}
    assert dead == []
    assert sum(runs.values()) - count <= 4 * 22  # at most what was under way at each kill comes again


def test_it_ends_in_order_and_loses_nothing(layout):
    flow = make_flow(layout, max_scale=2)

    async def scene(broker):
        async with journal_of(layout) as journal, FlowDouble(layout.flow_socket(flow.flow_id, 1)) as worker:
            worker.answer = lambda got: Say(seconds=0.5)
            await journal.accept(flow.tenant_id, make_events(range(20), flow=flow.flow_id))
            await until(lambda: worker.got)
            began = time.monotonic()
            assert await asyncio.to_thread(broker.stop) == 0
            assert time.monotonic() - began < 5
            worker.answer = lambda got: Say()
            await asyncio.to_thread(broker.start)
            await until_done(journal)
            return Counter(got.event_id for got in worker.got)

    with Process(layout, "journal"), Process(layout, "broker") as broker:
        runs = asyncio.run(scene(broker))
    assert len(runs) == 20
    assert max(runs.values()) == 1  # what was under way had time to end
