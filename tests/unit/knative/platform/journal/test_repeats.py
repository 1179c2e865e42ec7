"""An answer that is lost makes no difference: whatever was asked is done once, and the second answer is the first."""

import asyncio
import os

import pytest
import uvloop

from intellyhub_engine.errors import LeaseLost
from intellyhub_engine.journal.records import RunStatus
from intellyhub_knative.platform.journal import store
from intellyhub_knative.platform.journal.client import AsyncJournalClient
from intellyhub_knative.platform.keys import Purpose
from intellyhub_knative.platform.outbox import Outcome, Routing, Settlement
from tests.unit.engine.journal.runs import (
    ALICE,
    BOB,
    begin,
    finished,
    make_event,
    make_start,
    record,
    step_finished,
    step_started,
    suspended,
)
from tests.unit.knative.platform.journal.services import DOOR, FLOW, KEYS, TENANT


@pytest.fixture
def lose(service, monkeypatch):
    """Ask with the first answer lost on its way."""

    def ask(question, count=1):
        left = service.lose_answers(monkeypatch, count)
        answer = question()
        assert left == [0]
        return answer

    return ask


def test_a_run_is_begun_once_and_held(client, lose):
    assert lose(lambda: begin(client, event=make_event())).start.run_id == "run-1"
    record(client, step_finished())
    assert len(client.runs()) == 1


def test_a_run_is_begun_once_with_the_entries_it_copies(client, lose):
    lose(lambda: begin(client, entries=[step_finished()], copied_from=("other", 1)))
    assert client.history("run-1").entries == (step_finished(),)


def test_a_found_run_is_taken_over_once_but_not_by_the_next_request(client, clock, lose):
    begin(client, event=make_event())
    record(client, step_finished())
    clock.advance(31)
    assert lose(lambda: begin(client, owner=BOB, event=make_event())).entries == (step_finished(),)
    with pytest.raises(LeaseLost):
        begin(client, owner=BOB, event=make_event())


def test_a_claim_is_answered_the_second_time_too(client, clock, lose):
    begin(client)
    clock.advance(31)
    assert lose(lambda: client.claim("run-1", owner=BOB, lease_seconds=30)).status is RunStatus.RUNNING
    with pytest.raises(LeaseLost):
        client.claim("run-1", owner=BOB, lease_seconds=30)


@pytest.mark.parametrize("end", [step_finished(), finished(), suspended(until_ns=5)], ids=["step", "end", "pause"])
def test_entries_are_appended_once(client, lose, end):
    begin(client)
    lose(lambda: record(client, step_started(), end))
    assert client.history("run-1").entries == (step_started(), end)


def test_the_same_entries_recorded_by_two_requests_are_appended_twice(client):
    begin(client)
    record(client, step_finished())
    record(client, step_finished())
    assert len(client.history("run-1").entries) == 2


def test_entries_nobody_waited_for_come_once_and_in_order_when_the_service_was_killed_before_it_kept_them(
    service, monkeypatch
):
    monkeypatch.setattr(store, "_RIDING_SECONDS", 60)
    journal = service.journal()
    begin(journal)
    for seq in (1, 2, 3):
        record(journal, step_finished(seq), durable=False)
    journal.cancel_requested("run-1")  # it has them
    service.stop_without_commit()
    assert service.ask("SELECT count(*) FROM record") == [(1,)]
    service.start()
    record(journal, step_finished(4))
    assert [entry.seq for entry in journal.history("run-1").entries] == [1, 2, 3, 4]
    journal.close()


def test_entries_nobody_waited_for_come_once_when_the_connection_is_lost(service, lose):
    journal = service.journal()
    begin(journal)
    record(journal, step_finished(1), durable=False)
    lose(lambda: record(journal, step_finished(2)))
    assert [entry.seq for entry in journal.history("run-1").entries] == [1, 2]
    journal.close()


def test_closing_keeps_what_nobody_waited_for(service, client):
    journal = service.journal()
    begin(journal)
    record(journal, step_finished(), durable=False)
    journal.close()
    assert client.history("run-1").entries == (step_finished(),)


def test_renewing_and_giving_back_can_be_repeated(client, lose):
    begin(client)
    lose(lambda: client.renew("run-1", owner=ALICE, lease_seconds=60))
    lose(lambda: client.release("run-1", owner=ALICE))
    assert client.claim("run-1", owner=BOB, lease_seconds=1).status is RunStatus.RUNNING


def test_a_cancellation_is_answered_alike(client, lose):
    begin(client)
    record(client, suspended(until_ns=5))
    assert lose(lambda: client.request_cancel("run-1")) is True
    assert client.request_cancel("run-1") is False


def test_reading_is_repeated(client, lose):
    begin(client)
    assert lose(lambda: client.history("run-1"), 2).start == make_start()


def test_an_event_is_accepted_once_and_not_called_known(client, lose):
    assert [one.known for one in lose(lambda: client.accept(TENANT, [make_event("1"), make_event("2")]))] == [False] * 2
    assert client.counts()["unrouted"] == 2


def test_routing_settling_and_redelivering_are_done_once(client, lose):
    [accepted] = client.accept(TENANT, [make_event("1")])
    lose(lambda: client.route([Routing(accepted.number, (DOOR,))]))
    [delivery] = client.due(2**62)
    lose(lambda: client.settle([Settlement(delivery.delivery_id, Outcome.RETRY, reply=make_event("r"))]))
    [again] = client.due(2**62)
    assert again.attempt == 2
    lose(lambda: client.settle([Settlement(delivery.delivery_id, Outcome.DEAD)]))
    assert lose(lambda: client.redeliver(TENANT, [delivery.delivery_id])) == 1
    lose(lambda: client.settle([Settlement(delivery.delivery_id, Outcome.DELIVERED)]))
    assert client.counts() == {"unrouted": 1, "pending": 0, "dead": 0}


def test_a_death_is_counted_once(client, service, lose):
    begin(client)
    lose(lambda: client.orphan(ALICE))
    assert service.ask("SELECT deaths FROM run") == [(1,)]


def test_a_client_in_an_event_loop_repeats_too(service, monkeypatch):
    async def use():
        client = AsyncJournalClient(service.address, KEYS.token(Purpose.JOURNAL))
        service.lose_answers(monkeypatch)
        accepted = await client.accept(TENANT, [make_event("1")])
        service.lose_answers(monkeypatch)
        await client.begin(make_start(flow=FLOW), owner=ALICE, lease_seconds=30)
        service.lose_answers(monkeypatch, 3)
        answers = await asyncio.gather(*(client.accept(TENANT, [make_event(f"x{n}")]) for n in range(20)))
        counts = await client.counts()
        await client.close()
        return accepted[0].known, counts["unrouted"], {one.known for [one] in answers}

    assert asyncio.run(use()) == (False, 21, {False})


def test_a_forked_child_has_a_connection_of_its_own(service):
    journal = service.journal()
    begin(journal)
    child = os.fork()
    if child == 0:
        try:
            record(journal, step_finished(2))
            os._exit(0)
        finally:
            os._exit(1)
    record(journal, step_finished(1))
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(entry.seq for entry in journal.history("run-1").entries) == [1, 2]
    journal.close()


@pytest.mark.parametrize("turns", range(6))
def test_who_asks_while_the_connection_ends_is_answered_over_the_next_one(service, client, turns):
    begin(client)

    async def ask_on_an_ending_connection():
        journal = AsyncJournalClient(service.address, KEYS.token(Purpose.JOURNAL))
        try:
            await journal.history("run-1")
            writer = journal._link._writer
            assert writer is not None
            writer.transport.abort()
            for _ in range(turns):
                await asyncio.sleep(0)
            return (await journal.history("run-1")).start.run_id
        finally:
            await journal.close()

    assert uvloop.run(ask_on_an_ending_connection()) == "run-1"
