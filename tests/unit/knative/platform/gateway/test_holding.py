"""Requests that go on for runs that nobody waits for."""

import asyncio
import logging
from dataclasses import replace

import orjson

from intellyhub_engine.errors import JournalUnwritable
from intellyhub_engine.machine.hook import Ran
from intellyhub_knative.platform.gateway.holding import Holding
from tests.unit.knative.platform.broker.scenes import make_event, make_run
from tests.unit.knative.platform.house_double import data_folder, make_flow
from tests.unit.knative.platform.memory_journal import MemoryJournal

DONE = Ran(200, {}, b"{}")


def scene(act, **options):
    async def go():
        with data_folder() as layout:
            flow, journal = make_flow(layout), MemoryJournal()
            return await act(Holding(journal, **options), flow, journal, asyncio.get_running_loop().create_future())

    return asyncio.run(go())


def test_who_wants_a_begun_run_is_told_as_soon_as_the_journal_has_it():
    async def act(holding, flow, journal, answer):
        asking = asyncio.create_task(holding.begin(answer, flow, make_event()))
        await asyncio.sleep(0.02)
        assert not asking.done()
        journal.runs.append(make_run(flow, run_id="/shop 1"))
        ran = await asyncio.wait_for(asking, 5)
        assert holding.has(answer)
        answer.set_result(DONE)
        await asyncio.sleep(0.02)
        return ran, holding.has(answer)

    ran, is_kept = scene(act)
    assert (ran.status, orjson.loads(ran.body)) == (202, {"run_id": "/shop 1", "status": "running"})
    assert not is_kept


def test_an_answer_that_comes_first_is_the_answer():
    async def act(holding, flow, journal, answer):
        asking = asyncio.create_task(holding.begin(answer, flow, make_event()))
        answer.set_result(DONE)
        return await asyncio.wait_for(asking, 5)

    assert scene(act) is DONE


def test_a_journal_that_is_away_has_no_run():
    async def act(holding, flow, journal, answer):
        journal.fault = JournalUnwritable("away")
        return await holding.find(flow, make_event())

    assert scene(act) is None


def test_a_tenants_flood_takes_nothing_from_others():
    async def act(holding, flow, journal, answer):
        loop = asyncio.get_running_loop()
        more, theirs = loop.create_future(), loop.create_future()
        holding.keep(answer, flow)
        holding.keep(more, flow)
        holding.keep(theirs, replace(flow, tenant_id="other"))
        kept = [holding.has(one) for one in (answer, more, theirs)]
        answer.set_result(DONE)
        theirs.set_result(DONE)
        await asyncio.sleep(0.02)
        again = loop.create_future()
        holding.keep(again, flow)
        return kept, more.cancelled(), holding.has(again)

    assert scene(act, most_of_a_tenant=1) == ([True, False, True], True, True)


def test_what_comes_to_nothing_is_told_and_what_is_too_much_is_let_go(caplog):
    async def act(holding, flow, journal, answer):
        holding.keep(answer, flow)
        other = asyncio.get_running_loop().create_future()
        holding.keep(other, flow)
        answer.set_exception(RuntimeError("broken"))
        await asyncio.sleep(0.02)
        return other.cancelled()

    with caplog.at_level(logging.WARNING):
        assert scene(act, most=1) is True
    assert "came to nothing: broken" in caplog.text
