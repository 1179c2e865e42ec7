"""Old runs leave, and their space with them."""

from intellyhub_engine.journal import sqlite
from intellyhub_engine.journal.records import RunStatus
from tests.unit.engine.journal.runs import finished, make_start, step_finished, suspended

OWNER = "me"


def run_to_end(journal, run_id, *, ended_ns=900, changes=None, **facts):
    journal.begin(make_start(run_id, **facts), owner=OWNER, lease_seconds=30)
    end = finished(RunStatus.SUCCEEDED)._replace(finished_ns=ended_ns)
    journal.record(run_id, [step_finished(1, changes=changes), end], owner=OWNER, durable=True)


def left(journal):
    return [run.run_id for run in journal.runs(limit=1000)]


def test_runs_that_ended_before_the_moment_go(sqlite_journal):
    for number in range(4):
        run_to_end(sqlite_journal, f"run-{number}", ended_ns=100 * number)
    assert sqlite_journal.prune(older_than_ns=200) == 2
    assert left(sqlite_journal) == ["run-3", "run-2"]


def test_the_newest_of_each_flow_stay(sqlite_journal):
    for number in range(3):
        run_to_end(sqlite_journal, f"a-{number}", flow="a")
        run_to_end(sqlite_journal, f"b-{number}", flow="b")
    assert sqlite_journal.prune(older_than_ns=1000, keep=2) == 2
    assert left(sqlite_journal) == ["b-2", "a-2", "b-1", "a-1"]


def test_running_and_waiting_runs_stay_however_old(sqlite_journal):
    sqlite_journal.begin(make_start("running"), owner=OWNER, lease_seconds=30)
    sqlite_journal.begin(make_start("waiting"), owner=OWNER, lease_seconds=30)
    sqlite_journal.record("waiting", [suspended(until_ns=1)], owner=OWNER, durable=True)
    assert sqlite_journal.prune(older_than_ns=10**18) == 0
    assert left(sqlite_journal) == ["waiting", "running"]


def test_children_go_with_their_parent_and_only_then(sqlite_journal):
    run_to_end(sqlite_journal, "top", ended_ns=5000)
    run_to_end(sqlite_journal, "top.1.left", parent_id="top", ended_ns=10)
    run_to_end(sqlite_journal, "top.1.left.1.deep", parent_id="top.1.left", ended_ns=10)
    assert sqlite_journal.prune(older_than_ns=1000) == 0
    assert sqlite_journal.prune(older_than_ns=6000) == 1
    assert sqlite_journal.runs(parent_id="top.1.left") == []
    count = sqlite_journal._writer._connection.execute("SELECT count(*) FROM record").fetchone()
    assert count == (0,)


def test_the_space_goes_back_to_the_disk(sqlite_journal, path, monkeypatch):
    monkeypatch.setattr(sqlite, "_PRUNED_RUNS", 7)
    for number in range(40):
        run_to_end(sqlite_journal, f"run-{number}", changes={"page": "x" * 50_000})
    connection = sqlite_journal._writer._connection
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    before = path.stat().st_size
    assert sqlite_journal.prune(older_than_ns=1000, keep=1) == 39
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert path.stat().st_size < before / 10
    assert left(sqlite_journal) == ["run-39"]


def test_a_run_can_be_written_after_others_were_pruned(sqlite_journal):
    run_to_end(sqlite_journal, "old")
    sqlite_journal.begin(make_start("new"), owner=OWNER, lease_seconds=30)
    sqlite_journal.prune(older_than_ns=1000)
    sqlite_journal.record("new", [step_finished(1)], owner=OWNER, durable=True)
    run_to_end(sqlite_journal, "newer")
    assert sqlite_journal.history("new").entries == (step_finished(1),)
