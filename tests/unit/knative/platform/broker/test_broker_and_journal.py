"""The broker: versions, waiting runs, and a journal that goes away."""

import asyncio
import contextlib

from intellyhub_engine.errors import InputInvalid, JournalUnwritable
from intellyhub_knative.platform.keys import Purpose
from intellyhub_knative.platform.outbox import Outcome
from tests.unit.knative.platform.broker.scenes import door, make_event, make_run, running
from tests.unit.knative.platform.flow_double import FlowDouble, Say, problem
from tests.unit.knative.platform.house_double import KEYS, make_flow, until
from tests.unit.knative.platform.memory_journal import MemoryJournal


def test_the_version_that_has_the_run_gets_the_event(layout):
    flow = make_flow(layout, versions=((2, "d2"), (1, "d1")))
    elsewhere = problem(409, "other-version", ("X-IntellyHub-Version", "d1"))

    async def scene():
        journal = MemoryJournal()
        async with (
            door(layout, flow, 2, answer=lambda got: elsewhere) as current,
            door(layout, flow, 1) as older,
            running(layout, journal),
        ):
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.delivered)
            return len(current.got), len(older.got), journal.delivered[0][0].attempt

    assert asyncio.run(scene()) == (1, 1, 1)


def test_a_version_that_is_gone_makes_a_dead_letter(layout):
    flow = make_flow(layout, versions=((2, "d2"),))
    elsewhere = problem(409, "other-version", ("X-IntellyHub-Version", "d1"))

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow, 2, answer=lambda got: elsewhere), running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.dead)
            return journal.dead[0].error

    assert "no longer deployed" in asyncio.run(scene())


def test_runs_of_several_versions_that_wait_for_one_event_all_get_it(layout):
    flow = make_flow(layout, versions=((2, "d2"), (1, "d1")))

    async def scene():
        journal = MemoryJournal()
        journal.waiting = [(make_run(flow, f"r{n}", version=f"d{n}"), {"type": "order.created"}) for n in (1, 2)]
        async with door(layout, flow, 2) as current, door(layout, flow, 1) as older, running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event()])
            await until(lambda: journal.delivered)
            return len(current.got), len(older.got)

    assert asyncio.run(scene()) == (1, 1)


def test_the_version_of_a_run_that_the_event_has_woken_gets_it_again(layout):
    flow = make_flow(layout, versions=((2, "d2"), (1, "d1")))

    async def scene():
        journal = MemoryJournal()
        journal.awakened = [(make_run(flow, "r1", version="d1"), "1")]
        async with door(layout, flow, 2) as current, door(layout, flow, 1) as older, running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.delivered)
            return len(current.got), len(older.got)

    assert asyncio.run(scene()) == (0, 1)


def test_an_event_whose_woken_run_is_of_a_version_that_is_gone_makes_no_other_run(layout):
    flow = make_flow(layout, versions=((3, "d3"), (2, "d2")))

    async def scene():
        journal = MemoryJournal()
        journal.awakened = [(make_run(flow, "r1", version="d1"), "1")]
        async with door(layout, flow, 3) as current, door(layout, flow, 2) as older, running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.delivered)
            return len(current.got), len(older.got)

    assert asyncio.run(scene()) == (0, 0)


def test_the_socket_of_an_older_version_is_opened_by_the_activator(layout):
    flow = make_flow(layout, versions=((2, "d2"), (1, "d1")))

    async def scene():
        journal = MemoryJournal()
        journal.waiting = [(make_run(flow), {"type": "order.created"})]
        older = door(layout, flow, 1)
        async with contextlib.AsyncExitStack() as stack:
            opening: list[asyncio.Task[FlowDouble]] = []

            def open_it(got):
                if not opening:
                    opening.append(asyncio.get_running_loop().create_task(stack.enter_async_context(older)))
                return Say()

            activator = await stack.enter_async_context(FlowDouble(layout.socket("activator"), answer=open_it))
            await stack.enter_async_context(running(layout, journal))
            await journal.accept(flow.tenant_id, [make_event()])
            await until(lambda: journal.delivered)
            return activator.got[0]

    got = asyncio.run(scene())
    assert (got.method, got.target) == ("PUT", f"/sockets/{flow.flow_id}/1")


def test_due_runs_are_resumed_on_the_socket_of_their_version(layout):
    flow = make_flow(layout, versions=((2, "d2"), (1, "d1")))

    async def scene():
        journal = MemoryJournal()
        journal.runs = [make_run(flow, "r1", wake_ns=1), make_run(flow, "r2", "d2", wake_ns=1 << 62)]

        def answer(got):
            journal.woken("r1")
            return Say(202)

        async with door(layout, flow, 1, answer=answer) as older, running(layout, journal):
            await until(lambda: older.got)
            await asyncio.sleep(0.6)
            return older.got

    [got] = asyncio.run(scene())
    assert (got.method, got.target, got.headers["prefer"]) == ("PUT", "/runs/r1/resumption", "respond-async")
    assert got.headers["authorization"] == f"Bearer {KEYS.token(Purpose.CALLER, flow.journal_name)}"


def test_a_run_that_cannot_be_resumed_is_left_alone_for_longer_and_longer(layout):
    flow = make_flow(layout)

    async def scene():
        journal = MemoryJournal()
        journal.runs = [make_run(flow, "r1", wake_ns=1)]
        async with door(layout, flow, answer=lambda got: Say(503)) as worker, running(layout, journal):
            await until(lambda: worker.got)
            await asyncio.sleep(2.2)
            return len(worker.got)

    assert asyncio.run(scene()) == 2


def test_what_was_due_when_the_journal_went_away_is_delivered_when_it_is_back(layout):
    flow = make_flow(layout)

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow), running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(1, extensions={"flow": "orders"})])
            await until(lambda: journal.delivered)
            journal.fault = JournalUnwritable("away")
            await asyncio.sleep(0.2)
            journal.fault = None
            await journal.accept(flow.tenant_id, [make_event(2, extensions={"flow": "orders"})])
            await until(lambda: len(journal.delivered) == 2)

    asyncio.run(scene())


def test_a_settlement_waits_for_the_journal_and_the_event_is_not_delivered_twice(layout):
    flow = make_flow(layout)

    async def scene():
        journal = MemoryJournal()

        def answer(got):
            journal.fault = JournalUnwritable("away")
            return Say()

        async with door(layout, flow, answer=answer) as worker, running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(1, extensions={"flow": "orders"})])
            await until(lambda: worker.got)
            await asyncio.sleep(0.2)
            journal.fault = None
            await until(lambda: journal.delivered)
            await asyncio.sleep(0.1)
            return len(worker.got), journal.delivered[0][1].outcome

    assert asyncio.run(scene()) == (1, Outcome.DELIVERED)


def test_it_says_how_it_stands(layout):
    flow = make_flow(layout)

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow, answer=lambda got: Say(seconds=30)) as worker, running(layout, journal) as broker:
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: worker.got)
            return await broker.state(), broker.counters.render().decode()

    state, metrics = asyncio.run(scene())
    assert (state["in_flight"], state["journal"]["pending"]) == (1, 1)
    assert (state["oldest"][0]["event_id"], state["oldest"][0]["attempt"]) == ("1", 1)
    assert "intellyhub_broker_in_flight 1.0" in metrics
    assert 'intellyhub_broker_routed_total{to="1"} 1.0' in metrics


def test_many_events_are_delivered_swiftly(layout):
    flow = make_flow(layout, max_scale=10, concurrency=8)

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow) as worker, running(layout, journal):
            events = [make_event(number, extensions={"flow": "orders"}) for number in range(300)]
            await journal.accept(flow.tenant_id, events)
            await until(lambda: len(journal.delivered) == 300, 20)
            return {got.event_id for got in worker.got}, len(worker.got)

    assert asyncio.run(scene()) == ({str(number) for number in range(300)}, 300)


def test_a_reply_that_cannot_be_kept_is_left_out_and_holds_up_nothing(layout, caplog):
    flow = make_flow(layout)
    reply = {"ce-specversion": "1.0", "ce-id": "r", "ce-source": "/f", "ce-type": "t"}

    class Picky(MemoryJournal):
        async def settle(self, settlements):
            if any(one.reply is not None for one in settlements):
                raise InputInvalid("the event is too large")
            await super().settle(settlements)

    async def scene():
        journal = Picky()

        def answer(got):
            return Say(200, tuple(reply.items())) if got.event_id == "1" else Say()

        async with door(layout, flow, answer=answer), running(layout, journal):
            events = [make_event(number, extensions={"flow": "orders"}) for number in range(5)]
            await journal.accept(flow.tenant_id, events)
            await until(lambda: len(journal.delivered) == 5)
            return len(journal.events)

    assert asyncio.run(scene()) == 5
    assert "too large" in caplog.text
