"""What an event has woken is known when it comes again: in every journal, and as long as the run is kept."""

import sqlite3

import pytest

from intellyhub_engine.journal.records import EventRuns, RunStatus, RunWoken
from intellyhub_engine.journal.sqlite import SqliteJournal
from tests.unit.engine.journal.runs import (
    BOB,
    begin,
    finished,
    make_event,
    record,
    step_finished,
    suspended,
)

FILTER = {"type": "bell.rung"}


def wait(journal, run_id="run-1", **facts):
    begin(journal, run_id, **facts)
    record(journal, suspended(event_filter=FILTER), run_id=run_id)


def wake(journal, event, *rest, run_id="run-1"):
    journal.claim(run_id, owner=BOB, lease_seconds=30)
    record(journal, RunWoken(1, "pause", event.source, event.id), step_finished(1), *rest, run_id=run_id, owner=BOB)


def runs_of(journal, event, flow="doorbell"):
    begun, woken, waiting = journal.runs_of_event(event, flow=flow)
    return begun, list(woken), list(waiting)


def test_a_run_that_waits_for_an_event_is_woken_by_it_and_stays_known(journal):
    event = make_event()
    wait(journal)
    assert runs_of(journal, event) == (None, [], ["run-1"])
    wake(journal, event)
    assert runs_of(journal, event) == (None, ["run-1"], [])
    record(journal, finished(), owner=BOB)
    assert runs_of(journal, event) == (None, ["run-1"], [])
    assert runs_of(journal, make_event("2")) == (None, [], [])
    assert runs_of(journal, make_event(source="/window")) == (None, [], [])


def test_what_woke_a_run_is_told_in_its_history(journal):
    wait(journal)
    wake(journal, make_event())
    assert journal.history("run-1").entries[1] == RunWoken(1, "pause", "/door", "1")


def test_a_run_that_was_claimed_and_wrote_nothing_still_waits(journal, clock):
    wait(journal)
    journal.claim("run-1", owner=BOB, lease_seconds=30)
    assert runs_of(journal, make_event()) == (None, [], ["run-1"])


def test_a_run_that_waits_again_is_not_waiting_for_the_event_that_woke_it(journal):
    event = make_event()
    wait(journal)
    wake(journal, event, suspended(2, event_filter=FILTER))
    assert (journal.history("run-1").status, list(journal.waiting_for(event))) == (RunStatus.WAITING, [])
    assert list(journal.waiting_for(make_event("2"))) == ["run-1"]


def test_an_event_that_has_woken_a_run_makes_none(journal):
    event = make_event()
    wait(journal)
    wake(journal, event)
    record(journal, finished(), owner=BOB)
    found = begin(journal, "run-2", event=event)
    assert (found.start.run_id, found.status) == ("run-1", RunStatus.SUCCEEDED)
    assert begin(journal, "run-3", event=event, flow="other").start.run_id == "run-3"
    assert [run.run_id for run in journal.runs()] == ["run-3", "run-1"]


def test_the_run_that_an_event_made_is_told_of_its_own_flow_only(journal):
    event = make_event()
    begin(journal, event=event)
    assert runs_of(journal, event) == ("run-1", [], [])
    assert runs_of(journal, event, "other") == (None, [], [])


def test_of_several_runs_the_woken_and_the_waiting_are_told_apart(journal):
    event = make_event()
    for name in ("one", "two", "three"):
        wait(journal, name)
    wake(journal, event, run_id="two")
    assert runs_of(journal, event) == (None, ["two"], ["one", "three"])


def test_a_child_run_is_one_of_the_flow_at_its_top(journal):
    event = make_event()
    begin(journal, "top")
    wait(journal, "top.1.call", parent_id="top", flow="called")
    assert list(journal.waiting_for(event, flow="doorbell")) == ["top.1.call"]
    assert list(journal.waiting_for(event, flow="called")) == []
    wake(journal, event, run_id="top.1.call")
    assert runs_of(journal, event) == (None, ["top.1.call"], [])
    assert runs_of(journal, event, "called") == (None, [], [])
    record(journal, finished(), run_id="top")
    assert begin(journal, "another", event=event).start.run_id == "top"


def test_a_copy_of_a_woken_run_is_known_too(journal):
    event = make_event()
    wait(journal)
    wake(journal, event)
    kept = [entry for entry in journal.history("run-1").entries if isinstance(entry, RunWoken)]
    begin(journal, "run-1~1", entries=[*kept, step_finished(1)], copied_from=("run-1", 2))
    assert runs_of(journal, event) == (None, ["run-1", "run-1~1"], [])


def test_a_decision_is_not_looked_for(journal):
    wait(journal)
    journal.claim("run-1", owner=BOB, lease_seconds=30)
    record(journal, RunWoken(1, "pause", None, "1"), owner=BOB)
    assert journal.history("run-1").entries[-1] == RunWoken(1, "pause", None, "1")
    assert runs_of(journal, make_event()) == (None, [], [])


def test_half_a_surrogate_pair_in_an_id_does_no_harm(journal):
    wait(journal)
    event = make_event("\ud800")
    assert runs_of(journal, event) == (None, [], ["run-1"])
    wake(journal, make_event("?"))
    assert runs_of(journal, event) == (None, ["run-1"], [])


def test_what_was_pruned_is_forgotten(sqlite_journal, path):
    wait(sqlite_journal)
    wake(sqlite_journal, make_event(), finished())
    assert sqlite_journal.prune(older_than_ns=10**18) == 1
    assert sqlite_journal.runs_of_event(make_event(), flow="doorbell") == EventRuns(None, [], [])
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM awakening").fetchone() == (0,)


def test_the_look_at_an_event_reads_no_table_from_end_to_end(sqlite_journal, path):
    wait(sqlite_journal)
    with sqlite3.connect(path) as database:
        for query in (
            "SELECT run FROM awakening WHERE flow = ? AND source = ? AND event_id = ?",
            "SELECT 1 FROM awakening WHERE run = ? AND source = ? AND event_id = ?",
            "SELECT run_id FROM run WHERE flow = ? AND event_source = ? AND event_id = ? AND event_id IS NOT NULL",
        ):
            plan = " ".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {query}", ("a", "b", "c")))
            assert "SEARCH" in plan
            assert "SCAN" not in plan


def test_a_journal_of_before_learns_what_woke_its_runs(path, clock):
    journal = SqliteJournal(path, now_ns=clock)
    wait(journal)
    journal.close()
    with sqlite3.connect(path) as database:
        for made_later in ("TABLE awakening", "TABLE memory", "TABLE spent", "VIEW usage"):
            database.execute(f"DROP {made_later}")
        database.execute("PRAGMA user_version = 2")
    journal = SqliteJournal(path, now_ns=clock)
    wake(journal, make_event())
    assert list(journal.runs_of_event(make_event(), flow="doorbell").woken) == ["run-1"]
    journal.close()


@pytest.mark.parametrize("fields", [["woken", 1, "pause", 5, "1"], ["woken", 1, "pause", "/door", None], ["woken", 1]])
def test_a_record_that_names_no_event_is_refused(fields):
    import orjson

    from intellyhub_engine.errors import InputInvalid
    from intellyhub_engine.journal.encoding import inspect_record

    with pytest.raises(InputInvalid):
        inspect_record(orjson.dumps([fields]))
