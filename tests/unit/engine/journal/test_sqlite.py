"""The SQLite journal as a file: what it refuses to open, how it shares the file, what a full disk does to it."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from intellyhub_engine.errors import JournalError, JournalFull, JournalUnwritable, LeaseLost
from intellyhub_engine.journal import database, schema, sqlite
from intellyhub_engine.journal.database import open_writer
from intellyhub_engine.journal.faults import translate
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.journal.sqlite import SqliteJournal
from tests.unit.engine.journal.runs import finished, make_event, make_start, step_finished, step_started

ME = "me"


def begin(journal, run_id="run-1", *, owner=ME, **facts):
    return journal.begin(make_start(run_id, **facts), owner=owner, lease_seconds=30)


def record(journal, *entries, run_id="run-1", owner=ME, durable=True):
    journal.record(run_id, entries, owner=owner, durable=durable)


def refusal(path):
    with pytest.raises(JournalUnwritable) as caught:
        SqliteJournal(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


# Opening


def test_a_folder_is_refused(tmp_path):
    assert "is a folder; name a file in it" in refusal(tmp_path)


def test_a_missing_folder_is_named_with_the_remedy(tmp_path):
    assert f"there is no folder {tmp_path / 'no'}; create it first" in refusal(tmp_path / "no" / "journal.db")


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(path):
    path.write_bytes(b"shopping list: milk, eggs\n" * 100)
    before = path.read_bytes()
    assert "is not a journal; name another file" in refusal(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_and_left_as_it_was(path):
    with sqlite3.connect(path) as foreign:
        foreign.execute("CREATE TABLE bookmarks (url TEXT)")
    foreign.close()
    before = path.read_bytes()
    assert "database of another program" in refusal(path)
    assert path.read_bytes() == before


def test_a_database_with_another_application_id_is_refused_even_when_empty(path):
    with sqlite3.connect(path) as foreign:
        foreign.execute("PRAGMA application_id = 7")
    foreign.close()
    assert "database of another program" in refusal(path)


def test_a_journal_of_a_newer_version_is_refused(path):
    SqliteJournal(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "newer IntellyHub (its tables are version 99" in refusal(path)


def test_a_damaged_journal_is_refused(path):
    SqliteJournal(path).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * 4000 + whole[4100:])
    assert "damaged" in refusal(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_without_write_access_is_refused(path):
    SqliteJournal(path).close()
    path.chmod(0o400)
    assert "write" in refusal(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")
def test_a_file_of_someone_else_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        SqliteJournal(path).close()
        Path(folder).chmod(0o755)
        told = said_by_nobody(lambda: open_writer(path))
    assert told == f"the journal {path} cannot be opened (Permission denied); name a file you may write"


def said_by_nobody(work):
    """What the work's fault says in a process of the user `nobody`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            work()
        except BaseException as fault:  # noqa: BLE001  (the parent looks at it)
            os.write(writing, str(fault).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def test_a_new_journal_is_readable_by_its_owner_only(path):
    SqliteJournal(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_empty_file_becomes_a_journal(path):
    path.touch()
    journal = SqliteJournal(path)
    begin(journal)
    journal.close()


def test_many_processes_may_open_a_new_journal_at_once(path):
    program = (
        "import sys\n"
        "from intellyhub_engine.journal.sqlite import SqliteJournal\n"
        "from intellyhub_engine.journal.records import RunStart\n"
        "journal = SqliteJournal(sys.argv[1])\n"
        "journal.begin(RunStart(run_id=sys.argv[2], flow='f', version='v', started_ns=1), owner='o', lease_seconds=9)\n"
        "journal.close()\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, path, f"run-{n}"]) for n in range(4)]
    assert [process.wait(30) for process in processes] == [0, 0, 0, 0]
    journal = SqliteJournal(path)
    assert sorted(run.run_id for run in journal.runs()) == ["run-0", "run-1", "run-2", "run-3"]
    journal.close()


def test_an_older_journal_is_brought_up_to_date_with_what_it_holds(path, monkeypatch):
    journal = SqliteJournal(path)
    begin(journal)
    journal.close()
    monkeypatch.setattr(database, "MIGRATIONS", (*schema.MIGRATIONS, "ALTER TABLE run ADD COLUMN note TEXT;\n"))
    journal = SqliteJournal(path)
    assert [run.run_id for run in journal.runs()] == ["run-1"]
    journal.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT note FROM run").fetchall() == [(None,)]
        assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS) + 1,)
    connection.close()


def test_a_migration_that_fails_leaves_the_journal_as_it_was(path, monkeypatch):
    SqliteJournal(path).close()
    broken = "ALTER TABLE run ADD COLUMN note TEXT;\nALTER TABLE nowhere ADD COLUMN x;\n"
    monkeypatch.setattr(database, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    with pytest.raises(JournalUnwritable, match="nowhere"):
        SqliteJournal(path)
    monkeypatch.undo()
    SqliteJournal(path).close()


# Durability and sharing


def test_what_is_durable_is_there_for_another_connection_at_once(sqlite_journal, path):
    begin(sqlite_journal)
    record(sqlite_journal, step_finished(1), durable=False)
    record(sqlite_journal, step_started(2))
    other = SqliteJournal(path)
    assert other.history("run-1").entries == (step_finished(1), step_started(2))
    other.close()


def test_closing_keeps_what_was_not_durable(path):
    journal = SqliteJournal(path)
    begin(journal)
    record(journal, step_finished(1), durable=False)
    journal.close()
    journal = SqliteJournal(path)
    assert journal.history("run-1").entries == (step_finished(1),)
    journal.close()


def test_every_commit_is_synced(sqlite_journal):
    assert sqlite_journal._writer._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert sqlite_journal._writer._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_lease_taken_by_another_process_fences_the_first_one(sqlite_journal, path, clock):
    begin(sqlite_journal)
    record(sqlite_journal, step_finished(1))
    other = SqliteJournal(path, now_ns=clock)
    clock.advance(31)
    other.claim("run-1", owner="other", lease_seconds=30)
    record(sqlite_journal, step_finished(2), durable=False)
    for durable in (True, True):
        with pytest.raises(LeaseLost, match="held by other"):
            record(sqlite_journal, step_finished(3), durable=durable)
    record(other, step_finished(4), finished(), owner="other")
    assert sqlite_journal.history("run-1").entries == (step_finished(1), step_finished(4), finished())
    other.close()


def test_the_entries_of_a_run_lost_to_another_process_do_not_spoil_a_shared_commit(sqlite_journal, path, clock):
    begin(sqlite_journal)
    begin(sqlite_journal, "run-2")
    other = SqliteJournal(path, now_ns=clock)
    clock.advance(31)
    other.claim("run-1", owner="other", lease_seconds=30)
    record(sqlite_journal, step_finished(1), durable=False)
    record(sqlite_journal, step_finished(1), run_id="run-2")
    assert sqlite_journal.history("run-1").entries == ()
    assert sqlite_journal.history("run-2").entries == (step_finished(1),)
    other.close()


def test_one_event_delivered_to_two_processes_makes_one_run(sqlite_journal, path, clock):
    begin(sqlite_journal, event=make_event())
    other = SqliteJournal(path, now_ns=clock)
    with pytest.raises(LeaseLost):
        begin(other, "run-2", owner="other", event=make_event())
    record(sqlite_journal, finished(output=42))
    found = begin(other, "run-2", owner="other", event=make_event())
    assert (found.start.run_id, found.status, found.entries[-1].output) == ("run-1", RunStatus.SUCCEEDED, 42)
    other.close()


def test_a_journal_locked_too_long_says_so_and_works_again(path):
    journal = SqliteJournal(path, busy_seconds=0.05)
    begin(journal)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalUnwritable, match=f"{path} is locked by another process"):
        record(journal, step_finished(1))
    other.rollback()
    other.close()
    record(journal, step_finished(2))
    assert journal.history("run-1").entries == (step_finished(2),)
    journal.close()


def test_threads_share_commits(sqlite_journal):
    commits: list[int] = []
    commit = sqlite_journal._writer.commit

    def count(batch):
        commits.append(len(batch))
        commit(batch)

    sqlite_journal._commits._commit = count
    for number in range(16):
        begin(sqlite_journal, f"run-{number}")
    commits.clear()
    gate = threading.Barrier(16)

    def work(number):
        gate.wait()
        for seq in range(1, 11):
            record(sqlite_journal, step_finished(seq), run_id=f"run-{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(commits) == 160
    assert len(commits) < 120


def test_a_journal_carried_over_a_fork_is_refused(sqlite_journal, path):
    begin(sqlite_journal)
    sqlite_journal._process -= 1
    with pytest.raises(JournalUnwritable, match=f"{path} was opened before a fork"):
        record(sqlite_journal, step_finished(1))
    sqlite_journal._process += 1


def test_a_closed_journal_says_so(path):
    journal = SqliteJournal(path)
    begin(journal)
    journal.close()
    with pytest.raises(JournalError, match=f"{path} is closed"):
        record(journal, step_finished(1))
    with pytest.raises(JournalError, match=f"{path} is closed"):
        journal.runs()


# A full disk


def test_a_full_disk_loses_nothing_committed_and_the_journal_goes_on_when_there_is_room(sqlite_journal, path):
    begin(sqlite_journal)
    record(sqlite_journal, step_finished(1))
    connection = sqlite_journal._writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    record(sqlite_journal, step_finished(2), durable=False)
    with pytest.raises(JournalFull, match=f"{path} has no room to grow"):
        record(sqlite_journal, step_finished(3, changes={"page": "x" * 50_000}))
    connection.execute("PRAGMA max_page_count = 1000000")
    record(sqlite_journal, step_finished(4))
    assert sqlite_journal.history("run-1").entries == (step_finished(1), step_finished(2), step_finished(4))


def test_on_a_full_disk_a_small_run_is_not_spoiled_by_a_large_one(sqlite_journal):
    begin(sqlite_journal)
    begin(sqlite_journal, "run-2")
    connection = sqlite_journal._writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    record(sqlite_journal, step_finished(1, changes={"page": "x" * 50_000}), durable=False)
    record(sqlite_journal, step_finished(1), run_id="run-2")
    with pytest.raises(JournalFull):
        record(sqlite_journal, step_finished(2))  # its first entry is missing: order matters more than progress
    connection.execute("PRAGMA max_page_count = 1000000")
    record(sqlite_journal, step_finished(3))
    assert [entry.seq for entry in sqlite_journal.history("run-1").entries] == [1, 3]
    assert sqlite_journal.history("run-2").entries == (step_finished(1),)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SQLITE_FULL", JournalFull),
        ("SQLITE_IOERR_WRITE", JournalFull),
        ("SQLITE_IOERR_SHMSIZE", JournalFull),
        ("SQLITE_IOERR_FSYNC", JournalUnwritable),
        ("SQLITE_READONLY_DIRECTORY", JournalUnwritable),
        ("SQLITE_BUSY", JournalUnwritable),
        ("SQLITE_CORRUPT_VTAB", JournalUnwritable),
        ("SQLITE_ERROR", JournalUnwritable),
    ],
)
def test_sqlites_errors_become_the_journals(name, kind, path):
    fault = sqlite3.OperationalError("what SQLite said")
    fault.sqlite_errorcode = getattr(sqlite3, name)
    told = translate(fault, path)
    assert type(told) is kind
    assert str(path) in str(told)
    assert "what SQLite said" in str(told)


def test_a_cancellation_asked_by_another_process_is_seen_at_the_next_record_or_soon(sqlite_journal, path, monkeypatch):
    begin(sqlite_journal)
    record(sqlite_journal, step_started(1))
    assert sqlite_journal.cancel_requested("run-1") is False
    other = SqliteJournal(path)
    other.request_cancel("run-1")
    other.close()
    monkeypatch.setattr(sqlite, "_UNCANCELLED_SECONDS", 0)
    assert sqlite_journal.cancel_requested("run-1") is True
    monkeypatch.undo()
    record(sqlite_journal, step_finished(1))
    assert sqlite_journal.cancel_requested("run-1") is True
    record(sqlite_journal, step_started(2))
    assert sqlite_journal.cancel_requested("run-1") is True
