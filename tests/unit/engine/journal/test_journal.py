"""What every journal promises: the contract of `journal/journal.py`, kept by each of them alike."""

import threading

import pytest

from intellyhub_engine.errors import LeaseLost, RunNotFound
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import Logged, RunStatus
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
)

SECOND_NS = 1_000_000_000


# A run and its entries


def test_a_new_run_has_no_entries_and_is_running(journal):
    history = begin(journal, event=make_event())
    assert (history.start, history.entries, history.status) == (make_start(event=make_event()), (), RunStatus.RUNNING)


def test_entries_come_back_in_the_order_they_were_recorded(journal):
    begin(journal)
    record(journal, step_started(1))
    record(journal, step_finished(1), Logged(1, "info", "rang", 160), step_started(2))
    record(journal, step_finished(2), finished())
    kinds = [type(entry).__name__ for entry in journal.history("run-1").entries]
    assert kinds == ["StepStarted", "StepFinished", "Logged", "StepStarted", "StepFinished", "RunFinished"]


def test_a_run_may_begin_with_entries_and_goes_on_behind_them(journal):
    entries = (step_finished(1), step_finished(2))
    assert begin(journal, entries=entries).entries == entries
    record(journal, step_started(3))
    assert [entry.seq for entry in journal.history("run-1").entries] == [1, 2, 3]


def test_entries_to_begin_with_are_not_added_to_a_run_that_is_found(journal):
    begin(journal, lease_seconds=0, entries=[step_finished(1)])
    assert begin(journal, entries=[step_finished(1), step_finished(2)]).entries == (step_finished(1),)


def test_entries_that_were_not_durable_come_before_the_durable_ones_that_follow(journal):
    begin(journal)
    record(journal, step_finished(1), durable=False)
    record(journal, step_finished(2), durable=False)
    record(journal, step_started(3))
    assert [entry.seq for entry in journal.history("run-1").entries] == [1, 2, 3]


def test_history_shows_entries_that_were_not_durable(journal):
    begin(journal)
    record(journal, step_finished(1), durable=False)
    assert journal.history("run-1").entries == (step_finished(1),)


def test_the_start_of_a_run_comes_back_as_it_was(journal):
    event = make_event(data={"floors": [1, 2]}, subject="front", extensions={"traceparent": "00-ab"})
    facts = {"event": event, "variables": {"name": "Ada"}, "state": "ring", "copied_from": ("run-0", 3)}
    begin(journal, "run-0")
    begin(journal, **facts)
    assert journal.history("run-1").start == make_start(**facts)


def test_a_step_comes_back_with_loops_emitted_events_and_removed_names(journal):
    step = step_finished(
        4,
        changes={"total": 3},
        loops={"each": {"items": [1, 2], "index": 0}},
        emitted=(make_event("9", data=[1]), make_event("10")),
        removed=("draft",),
    )
    begin(journal)
    record(journal, step)
    assert journal.history("run-1").entries == (step,)


def test_an_unknown_run_is_named(journal):
    for ask in (journal.history, journal.request_cancel, journal.cancel_requested):
        with pytest.raises(RunNotFound, match="nowhere"):
            ask("nowhere")
    with pytest.raises(RunNotFound):
        record(journal, step_started(), run_id="nowhere")
    with pytest.raises(RunNotFound):
        journal.claim("nowhere", owner=ALICE, lease_seconds=1)


# One event, one run


def test_the_same_event_finds_the_run_it_made(journal):
    begin(journal, event=make_event())
    record(journal, step_finished(1), finished())
    found = begin(journal, "run-2", owner=BOB, event=make_event())
    assert (found.start.run_id, found.status) == ("run-1", RunStatus.SUCCEEDED)
    assert found.entries == (step_finished(1), finished())


@pytest.mark.parametrize(
    "facts",
    [
        {"event": make_event("2")},
        {"event": make_event(source="/window")},
        {"event": make_event(), "flow": "other"},
        {"event": None},
        {"event": make_event(), "parent_id": "run-1"},
        {"event": make_event(), "copied_from": ("run-1", 0)},
    ],
    ids=["another id", "another source", "another flow", "no event", "a child", "a copy"],
)
def test_a_run_with_another_key_is_a_new_one(journal, facts):
    begin(journal, event=make_event())
    assert begin(journal, "run-2", **facts).start.run_id == "run-2"


def test_a_run_without_an_event_may_be_begun_many_times(journal):
    assert [begin(journal, f"run-{n}").start.run_id for n in range(3)] == ["run-0", "run-1", "run-2"]


def test_the_same_id_finds_the_run_whatever_its_key(journal):
    begin(journal, "run-0")
    begin(journal, "run-0.1.left", parent_id="run-0", lease_seconds=0)
    record(journal, step_finished(1), run_id="run-0.1.left")
    found = begin(journal, "run-0.1.left", parent_id="run-0", owner=BOB)
    assert found.entries == (step_finished(1),)


def test_two_deliveries_at_once_make_one_run(journal):
    outcomes = []
    gate = threading.Barrier(8)

    def deliver(number):
        gate.wait()
        try:
            outcomes.append(begin(journal, f"run-{number}", owner=str(number), event=make_event()).start.run_id)
        except LeaseLost:
            outcomes.append("held")

    threads = [threading.Thread(target=deliver, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("held") == 7
    assert len(journal.runs()) == 1


# Lists


def test_runs_are_listed_newest_first_in_pages(journal):
    for number in range(5):
        begin(journal, f"run-{number}")
    first = [run.run_id for run in journal.runs(limit=2)]
    second = [run.run_id for run in journal.runs(limit=2, before=first[-1])]
    third = [run.run_id for run in journal.runs(limit=2, before=second[-1])]
    assert (first, second, third) == (["run-4", "run-3"], ["run-2", "run-1"], ["run-0"])
    assert journal.runs(before="run-0") == []


def test_a_page_after_an_unknown_run_is_refused(journal):
    with pytest.raises(RunNotFound):
        journal.runs(before="nowhere")


def test_runs_are_listed_by_flow_and_status(journal):
    begin(journal, "a")
    begin(journal, "b", flow="other")
    begin(journal, "c")
    record(journal, finished(RunStatus.FAILED, error="no bell"), run_id="c")
    assert [run.run_id for run in journal.runs(flow="doorbell")] == ["c", "a"]
    assert [run.run_id for run in journal.runs(status=RunStatus.RUNNING)] == ["b", "a"]
    assert [run.run_id for run in journal.runs(flow="doorbell", status=RunStatus.FAILED)] == ["c"]


def test_children_are_listed_for_their_parent_only(journal):
    begin(journal, "top")
    for key in ("left", "right"):
        begin(journal, f"top.1.{key}", parent_id="top")
    begin(journal, "top.1.left.1.deep", parent_id="top.1.left")
    assert [run.run_id for run in journal.runs()] == ["top"]
    assert [run.run_id for run in journal.runs(parent_id="top")] == ["top.1.right", "top.1.left"]


def test_a_summary_tells_how_the_run_stands(journal):
    begin(journal, copied_from=("run-0", 4))
    record(journal, step_finished(1), step_started(2), Logged(0, "info", "on its way", 7))
    running = journal.runs()[0]
    assert (running.steps, running.status, running.finished_ns) == (2, RunStatus.RUNNING, None)
    assert (running.flow, running.version, running.started_ns) == ("doorbell", "abc", 5)
    assert (running.parent_id, running.copied_from) == (None, ("run-0", 4))
    record(journal, step_finished(2), finished(RunStatus.FAILED, end_state="broken", error="no bell"))
    ended = journal.runs()[0]
    assert (ended.steps, ended.status, ended.finished_ns) == (2, RunStatus.FAILED, 900)
    assert (ended.end_state, ended.error) == ("broken", "no bell")


def test_many_threads_write_their_own_runs_without_mixing_them(journal):
    def work(name):
        begin(journal, name, owner=name)
        for seq in range(1, 21):
            journal.record(name, [step_finished(seq)], owner=name, durable=seq % 3 == 0)
        journal.record(name, [finished(output=name)], owner=name, durable=True)

    threads = [threading.Thread(target=work, args=(f"run-{n}",)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(16):
        history = journal.history(f"run-{n}")
        assert [entry.seq for entry in history.entries[:-1]] == list(range(1, 21))
        assert history.entries[-1].output == f"run-{n}"


@pytest.mark.parametrize("data", [None, "", {}, []], ids=repr)
def test_an_event_without_data_and_one_with_empty_data_are_told_apart(journal, data):
    begin(journal, event=Event(id="1", source="/s", type="t", data=data))
    found = journal.history("run-1").start.event.data
    assert (found, found is None) == (data, data is None)
