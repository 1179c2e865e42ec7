"""What every journal promises of who holds a run, how it waits, and how it is cancelled."""

import threading
from contextlib import suppress

import pytest

from intellyhub_engine.errors import LeaseLost
from intellyhub_engine.journal.records import RunFinished, RunStatus
from tests.unit.engine.journal.runs import (
    ALICE,
    BOB,
    begin,
    finished,
    make_event,
    record,
    step_finished,
    step_started,
    suspended,
)

SECOND_NS = 1_000_000_000


# Leases


def test_a_found_run_with_a_living_lease_is_refused_whoever_asks(journal, clock):
    begin(journal, event=make_event())
    clock.advance(29)
    for owner in (ALICE, BOB):
        with pytest.raises(LeaseLost, match="alice"):
            begin(journal, "run-2", owner=owner, event=make_event())


def test_a_found_run_whose_lease_ended_is_taken_over(journal, clock):
    begin(journal, event=make_event())
    record(journal, step_started(1))
    clock.advance(31)
    assert begin(journal, "run-2", owner=BOB, event=make_event()).entries == (step_started(1),)
    record(journal, step_finished(1), owner=BOB)
    with pytest.raises(LeaseLost, match="alice must stop"):
        record(journal, step_finished(1))
    assert journal.history("run-1").entries == (step_started(1), step_finished(1))


def test_a_lease_that_ended_still_lets_its_owner_write_until_someone_takes_over(journal, clock):
    begin(journal)
    clock.advance(3600)
    record(journal, step_finished(1))
    assert journal.history("run-1").entries == (step_finished(1),)


def test_entries_of_someone_who_lost_the_lease_are_dropped_also_when_not_durable(journal, clock):
    begin(journal)
    clock.advance(31)
    journal.claim("run-1", owner=BOB, lease_seconds=30)
    with suppress(LeaseLost):  # a journal may tell at once
        record(journal, step_finished(1), durable=False)
    record(journal, step_finished(2), owner=BOB)
    assert journal.history("run-1").entries == (step_finished(2),)


def test_a_claim_waits_for_the_lease_to_end(journal, clock):
    begin(journal)
    with pytest.raises(LeaseLost, match=r"held by alice for another 30\.0 s"):
        journal.claim("run-1", owner=BOB, lease_seconds=30)
    clock.advance(30)
    assert journal.claim("run-1", owner=BOB, lease_seconds=30).status is RunStatus.RUNNING


def test_of_many_who_claim_at_once_one_gets_the_run(journal, clock):
    begin(journal)
    clock.advance(31)
    winners = []
    gate = threading.Barrier(8)

    def claim(owner):
        gate.wait()
        try:
            journal.claim("run-1", owner=owner, lease_seconds=30)
            winners.append(owner)
        except LeaseLost:
            pass

    threads = [threading.Thread(target=claim, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1
    record(journal, step_started(1), owner=winners[0])


def test_a_renewed_lease_lasts_longer(journal, clock):
    begin(journal)
    clock.advance(20)
    journal.renew("run-1", owner=ALICE, lease_seconds=30)
    clock.advance(20)
    with pytest.raises(LeaseLost):
        journal.claim("run-1", owner=BOB, lease_seconds=30)


def test_who_does_not_hold_a_run_cannot_renew_it(journal):
    begin(journal)
    with pytest.raises(LeaseLost):
        journal.renew("run-1", owner=BOB, lease_seconds=30)


def test_a_released_run_can_be_claimed_at_once(journal):
    begin(journal)
    journal.release("run-1", owner=BOB)
    with pytest.raises(LeaseLost):
        journal.claim("run-1", owner=BOB, lease_seconds=30)
    journal.release("run-1", owner=ALICE)
    journal.claim("run-1", owner=BOB, lease_seconds=30)


def test_a_lease_of_no_length_never_lives(journal):
    begin(journal, "run-0")
    begin(journal, "run-0.1.left", parent_id="run-0", lease_seconds=0)
    assert journal.claim("run-0.1.left", owner=BOB, lease_seconds=0).start.run_id == "run-0.1.left"


def test_the_end_of_a_run_ends_its_lease_and_its_story(journal):
    begin(journal)
    record(journal, step_finished(1), finished())
    with pytest.raises(LeaseLost):
        record(journal, step_started(2))
    assert journal.claim("run-1", owner=BOB, lease_seconds=30).status is RunStatus.SUCCEEDED
    with pytest.raises(LeaseLost):
        record(journal, step_started(2), owner=BOB)


# Waiting


def test_a_suspended_run_is_held_by_nobody_and_can_be_claimed_at_once(journal):
    begin(journal)
    record(journal, suspended(until_ns=10))
    with pytest.raises(LeaseLost):
        record(journal, step_finished(1))
    assert journal.claim("run-1", owner=BOB, lease_seconds=30).status is RunStatus.WAITING
    record(journal, step_finished(1), owner=BOB)
    assert journal.history("run-1").status is RunStatus.RUNNING


def test_a_claimed_waiting_run_cannot_be_claimed_again(journal):
    begin(journal)
    record(journal, suspended(until_ns=10))
    journal.claim("run-1", owner=BOB, lease_seconds=30)
    for owner in (ALICE, BOB):
        with pytest.raises(LeaseLost):
            journal.claim("run-1", owner=owner, lease_seconds=30)


def test_a_waiting_run_found_by_its_event_stays_claimable(journal):
    begin(journal, event=make_event())
    record(journal, suspended(until_ns=10))
    assert begin(journal, "run-2", owner=BOB, event=make_event()).status is RunStatus.WAITING
    journal.claim("run-1", owner=ALICE, lease_seconds=30)


def test_a_run_may_wait_again(journal):
    begin(journal)
    record(journal, suspended(1, until_ns=10))
    journal.claim("run-1", owner=BOB, lease_seconds=30)
    record(journal, step_finished(1), suspended(2, until_ns=20), owner=BOB)
    assert (journal.history("run-1").status, journal.runs()[0].wake_ns) == (RunStatus.WAITING, 20)


def test_a_run_is_due_when_its_time_has_come(journal):
    begin(journal)
    record(journal, suspended(until_ns=1000))
    assert (journal.due(999), journal.due(1000)) == ([], ["run-1"])


def test_a_run_is_due_when_its_worker_fell_silent(journal, clock):
    begin(journal)
    assert journal.due(clock()) == []
    assert journal.due(clock() + 30 * SECOND_NS) == ["run-1"]


def test_a_released_run_is_due_at_once(journal, clock):
    begin(journal)
    journal.release("run-1", owner=ALICE)
    assert journal.due(clock()) == ["run-1"]


def test_a_waiting_run_that_someone_just_claimed_is_not_due(journal, clock):
    begin(journal)
    record(journal, suspended(until_ns=1000))
    journal.claim("run-1", owner=BOB, lease_seconds=30)
    assert journal.due(clock()) == []
    assert journal.due(clock() + 30 * SECOND_NS) == ["run-1"]


def test_ended_runs_children_and_runs_that_wait_for_no_time_are_not_due(journal):
    begin(journal, "ended")
    record(journal, finished(), run_id="ended")
    begin(journal, "asking")
    record(journal, suspended(approval="Open the door?"), run_id="asking")
    begin(journal, "asking.1.left", parent_id="asking", lease_seconds=0)
    assert journal.due(10**19) == []


def test_the_longest_overdue_runs_come_first(journal):
    for run_id, until_ns in (("late", 300), ("early", 100), ("middle", 200)):
        begin(journal, run_id)
        record(journal, suspended(until_ns=until_ns), run_id=run_id)
    assert (journal.due(1000), journal.due(1000, limit=2)) == (["early", "middle", "late"], ["early", "middle"])


@pytest.mark.parametrize(
    ("event_filter", "matches"),
    [
        ({"type": "bell.rung"}, True),
        ({"type": "bell.rung", "source": "/door"}, True),
        ({"source": "/door", "subject": "front"}, True),
        ({"floor": "3"}, True),
        ({"floor": 3, "loud": True}, True),
        ({}, True),
        ({"type": "bell.broken"}, False),
        ({"type": "bell.rung", "source": "/window"}, False),
        ({"colour": "red"}, False),
        ({"datacontenttype": "text/plain"}, False),
    ],
)
def test_an_event_wakes_who_waits_for_its_attributes(journal, event_filter, matches):
    begin(journal)
    record(journal, suspended(event_filter=event_filter))
    event = make_event(subject="front", extensions={"floor": "3", "loud": "true"})
    assert journal.waiting_for(event) == (["run-1"] if matches else [])


def test_an_event_wakes_only_runs_that_wait(journal):
    begin(journal)
    record(journal, suspended(event_filter={"type": "bell.rung"}))
    journal.claim("run-1", owner=BOB, lease_seconds=30)
    record(journal, step_finished(1), owner=BOB)
    begin(journal, "asleep")
    record(journal, suspended(until_ns=5), run_id="asleep")
    assert journal.waiting_for(make_event()) == []


def test_an_event_wakes_children_and_runs_of_the_named_flow_only(journal):
    for run_id, facts in (
        ("one", {}),
        ("two", {"flow": "other"}),
        ("one.1.left", {"parent_id": "one"}),
    ):
        begin(journal, run_id, **facts)
        record(journal, suspended(event_filter={"type": "bell.rung"}), run_id=run_id)
    assert journal.waiting_for(make_event()) == ["one", "two", "one.1.left"]
    assert journal.waiting_for(make_event(), flow="other") == ["two"]


def test_the_filter_of_a_wait_comes_back(journal):
    entry = suspended(until_ns=7, event_filter={"type": "bell.rung", "floor": 3})
    begin(journal)
    record(journal, entry)
    assert journal.history("run-1").entries == (entry,)


# Cancelling


def test_a_running_run_is_asked_to_stop(journal):
    begin(journal)
    assert journal.cancel_requested("run-1") is False
    assert journal.request_cancel("run-1") is True
    assert journal.cancel_requested("run-1") is True
    assert journal.history("run-1").status is RunStatus.RUNNING
    record(journal, finished(RunStatus.CANCELLED))
    assert journal.request_cancel("run-1") is False


def test_a_cancellation_is_seen_at_once_also_just_after_a_record(journal):
    begin(journal)
    record(journal, step_started(1))
    record(journal, step_finished(1))
    assert journal.cancel_requested("run-1") is False
    journal.request_cancel("run-1")
    assert journal.cancel_requested("run-1") is True


def test_a_waiting_run_is_cancelled_at_once(journal, clock):
    begin(journal)
    record(journal, suspended(until_ns=10, event_filter={"type": "bell.rung"}))
    assert journal.request_cancel("run-1") is True
    end = RunFinished(RunStatus.CANCELLED, None, None, None, clock())
    assert journal.history("run-1").entries[-1] == end
    assert journal.runs()[0].finished_ns == clock()
    assert (journal.due(clock()), journal.waiting_for(make_event())) == ([], [])
    assert journal.request_cancel("run-1") is False


def test_a_waiting_run_that_someone_is_waking_is_asked_to_stop(journal):
    begin(journal)
    record(journal, suspended(until_ns=10))
    journal.claim("run-1", owner=BOB, lease_seconds=30)
    assert journal.request_cancel("run-1") is True
    assert (journal.history("run-1").status, journal.cancel_requested("run-1")) == (RunStatus.WAITING, True)
    record(journal, finished(RunStatus.CANCELLED), owner=BOB)


def test_cancelling_a_run_cancels_its_children(journal):
    begin(journal, "top")
    begin(journal, "top.1.left", parent_id="top")
    begin(journal, "top.1.left.1.deep", parent_id="top.1.left")
    record(journal, suspended(until_ns=10), run_id="top.1.left.1.deep")
    journal.request_cancel("top")
    assert journal.cancel_requested("top.1.left") is True
    assert journal.history("top.1.left.1.deep").status is RunStatus.CANCELLED
