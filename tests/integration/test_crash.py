"""Killed at any instant, a run goes on from its last durable step, and nothing it completed is done again."""

import json
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from intellyhub_engine.errors import JournalFull
from intellyhub_engine.journal.records import RunStart, StepFinished, StepStatus
from intellyhub_engine.journal.sqlite import SqliteJournal
from intellyhub_engine.language.values.values import decode
from tests.integration.crash.effects import LEDGER, keys_in
from tests.integration.crash.writers import make_step

ROOT = Path(__file__).parents[2]
KILLED = -signal.SIGKILL
LEASE_OVER = 60
"""Seconds after which the lease of a killed process has ended."""


class Forge:
    """Forks processes that live as long as their job lets them."""

    def __init__(self):
        command = [sys.executable, "-m", "tests.integration.crash.forge"]
        self.process: Any = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *jobs):
        """Do the jobs at the same time, each in its own process; their exit statuses."""
        self.process.stdin.write(json.dumps(jobs) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(10) == 0


@pytest.fixture(scope="module")
def forge():
    made = Forge()
    yield made
    made.close()


class Site:
    """A folder with a journal and a workspace, and the processes that work in it."""

    def __init__(self, forge, folder, flow):
        folder.mkdir()
        self.forge, self.folder, self.flow = forge, folder, flow
        self.attempts = 0
        self.outcome: Any = None

    def job(self, command, **facts):
        self.attempts += 1
        job = {"folder": str(self.folder), "flow": self.flow, "command": command, "run_id": "run"}
        return {**job, "answer": f"answer-{self.attempts}", "later": LEASE_OVER * self.attempts, **facts}

    def work(self, command, **facts):
        """The outcome of one process, None where it was killed."""
        job = self.job(command, **facts)
        (status,) = self.forge.run(job)
        assert status in (0, KILLED)
        return None if status == KILLED else self.answer(job)

    def answer(self, job):
        return decode((self.folder / job["answer"]).read_bytes())

    def begun(self):
        """Whether the journal knows the run; a process may die before it does."""
        return bool(self.look(lambda journal: journal.runs()))

    def history(self, run_id="run"):
        return self.look(lambda journal: journal.history(run_id))

    def look(self, question):
        journal = SqliteJournal(self.folder / "journal.db")
        try:
            return question(journal)
        finally:
            journal.close()

    def steps(self):
        """The completed attempts, as the journal has them."""
        entries = self.history().entries
        return [(e.seq, e.state, e.attempt, e.status) for e in entries if isinstance(e, StepFinished)]

    def keys(self):
        return Counter(keys_in(self.folder))


def without_points(outcome):
    return {key: value for key, value in outcome.items() if key != "points"}


def repeated(keys, reference):
    """How many effects happened more often than in a run that was never killed."""
    assert set(keys) == set(reference), "an effect is missing, or has another idempotency key"
    assert all(keys[key] >= reference[key] for key in reference)
    return (keys - reference).total()


# A whole run, killed at every instant


@pytest.fixture(scope="module")
def reference(forge, tmp_path_factory):
    """The thirty-step flow, left in peace."""
    site = Site(forge, tmp_path_factory.mktemp("reference") / "site", "thirty")
    site.outcome = site.work("start")
    return site


def test_the_flow_has_thirty_steps_and_ends_well(reference):
    assert len(reference.steps()) >= 30
    assert (reference.outcome["status"], reference.outcome["end_state"]) == ("succeeded", "finish")
    assert reference.outcome["points"] > 60


def test_killed_at_every_write_and_every_effect_the_run_comes_out_the_same(forge, reference, tmp_path):
    for point in range(1, reference.outcome["points"] + 1):
        site = Site(forge, tmp_path / str(point), "thirty")
        assert site.work("start", kill_at=point) is None
        done_before = site.steps() if site.begun() else []
        outcome = site.work("resume" if site.begun() else "start")
        assert without_points(outcome) == without_points(reference.outcome), f"killed at point {point}"
        assert site.steps() == reference.steps()
        assert site.steps()[: len(done_before)] == done_before
        assert repeated(site.keys(), reference.keys()) <= 1
        assert numbers_in(site.folder) == numbers_in(reference.folder)
        shutil.rmtree(site.folder)


def test_killed_again_while_it_recovers_the_run_comes_out_the_same(forge, reference, tmp_path):
    for point in range(3, reference.outcome["points"], 5):
        site = Site(forge, tmp_path / str(point), "thirty")
        deaths = 1
        assert site.work("start", kill_at=point) is None
        while (outcome := site.work("resume", kill_at=4 + point % 5)) is None:
            deaths += 1
            assert deaths < 100, "the run makes no progress"
        assert without_points(outcome) == without_points(reference.outcome), f"killed at point {point}"
        assert site.steps() == reference.steps()
        assert repeated(site.keys(), reference.keys()) <= deaths
        shutil.rmtree(site.folder)


def numbers_in(folder):
    """What the outside service gave out; it knows each idempotency key once."""
    return {entry.name: entry.read_text() for entry in (folder / LEDGER).iterdir()}


def test_killed_anywhere_in_parallel_branches_the_run_comes_out_the_same(forge, tmp_path):
    peaceful = Site(forge, tmp_path / "reference", "branches")
    expected = peaceful.work("start")
    for point in range(2, expected["points"] + 1, 3):
        site = Site(forge, tmp_path / str(point), "branches")
        if site.work("start", kill_at=point) is None and site.begun():
            outcome = site.work("resume")
            assert without_points(outcome) == without_points(expected), f"killed at point {point}"
        # Two effects may be in flight at once, in two child runs.
        assert repeated(site.keys(), peaceful.keys()) <= 2
        shutil.rmtree(site.folder)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: no death inside a system call")
@pytest.mark.parametrize(
    ("call", "number"),
    [("pwrite64", 2), ("pwrite64", 23), ("pwrite64", 48), ("pwrite64", 65), ("fdatasync", 1), ("fdatasync", 8)],
)
def test_killed_inside_a_system_call_of_the_database_the_run_comes_out_the_same(
    forge, reference, tmp_path, call, number
):
    site = Site(forge, tmp_path / "site", "thirty")
    assert not site.begun()
    injected = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
    work = [sys.executable, "-m", "tests.integration.crash.job", json.dumps(site.job("start"))]
    traced = subprocess.run(
        ["strace", "-f", "-o", str(tmp_path / "trace"), *injected, *work], cwd=ROOT, capture_output=True, text=True
    )
    if "ptrace" in traced.stderr.lower():
        pytest.skip("this machine does not let a process be traced")
    assert traced.returncode in (KILLED, 128 + signal.SIGKILL), traced.stderr
    begun = site.begun()
    done_before = site.steps() if begun else []
    outcome = site.work("resume" if begun else "start")
    assert without_points(outcome) == without_points(reference.outcome)
    assert site.steps() == reference.steps()
    assert site.steps()[: len(done_before)] == done_before
    assert repeated(site.keys(), reference.keys()) <= 1


# Waiting, taking over, delivering twice


def test_a_run_that_waits_goes_on_in_other_processes(forge, tmp_path):
    site = Site(forge, tmp_path / "site", "patience")
    assert site.work("start")["status"] == "waiting"
    assert site.work("resume", later=10)["status"] == "waiting", "its hour is not over"
    assert site.work("resume", later=3700)["status"] == "waiting", "now it waits for the bell"
    bell = {"id": "1", "source": "/door", "type": "bell.rung", "data": {"times": 2}}
    outcome = site.work("resume", later=3800, event=bell)
    assert (outcome["status"], outcome["variables"]["third"]) == ("succeeded", {"number": 3})
    assert set(site.keys().values()) == {1}


def test_of_two_processes_that_resume_a_run_at_once_one_wins(forge, tmp_path):
    for attempt in range(5):
        site = Site(forge, tmp_path / str(attempt), "thirty")
        assert site.work("start", kill_at=20) is None
        jobs = [site.job("resume", later=LEASE_OVER * 3) for _ in range(2)]
        assert forge.run(*jobs) == [0, 0]
        outcomes = [site.answer(job) for job in jobs]
        won = [outcome for outcome in outcomes if outcome.get("status") == "succeeded"]
        lost = [outcome for outcome in outcomes if outcome.get("refused") == "LeaseLost"]
        # The second may come when the first has finished: it then reads the same result.
        assert won
        assert len(won) + len(lost) == 2
        assert site.keys().total() - len(site.keys()) <= 2, "the retried step, and the effect in flight"


def test_a_killed_runs_lease_keeps_others_away_until_it_ends(forge, tmp_path):
    site = Site(forge, tmp_path / "site", "thirty")
    assert site.work("start", kill_at=20, later=0) is None
    assert site.work("resume", later=1)["refused"] == "LeaseLost"
    assert site.work("resume", later=LEASE_OVER)["status"] == "succeeded"


def test_an_event_delivered_to_two_processes_makes_one_run(forge, tmp_path):
    site = Site(forge, tmp_path / "site", "thirty")
    event = {"id": "7", "source": "/door", "type": "bell.rung"}
    jobs = [site.job("start", run_id=f"run-{number}", event=event, later=0) for number in range(2)]
    assert forge.run(*jobs) == [0, 0]
    again = site.work("start", run_id="run-3", event=event, later=1)
    (only,) = site.look(lambda journal: journal.runs())
    assert (again["run_id"], again["status"]) == (only.run_id, "succeeded")
    assert site.keys().total() == len(site.keys()) + 1, "only the retried step did its effect twice"


# The journal itself, killed while many threads write


def test_every_acknowledged_record_survives_a_kill_at_a_random_moment(forge, tmp_path):
    for attempt in range(12):
        job = {"command": "write", "folder": str(tmp_path), "name": f"w{attempt}", "seconds": 0.01 + 0.013 * attempt}
        assert forge.run(job) == [KILLED]
        verify_acknowledged(tmp_path)
    assert len((tmp_path / "acknowledged").read_text().splitlines()) > 100


def test_two_writing_processes_killed_one_after_the_other_leave_both_their_records(forge, tmp_path):
    jobs = [
        {"command": "write", "folder": str(tmp_path), "name": name, "seconds": seconds}
        for name, seconds in (("a", 0.3), ("b", 0.2), ("c", 0.4))
    ]
    assert forge.run(*jobs) == [KILLED] * 3
    verify_acknowledged(tmp_path)


def verify_acknowledged(folder):
    connection = sqlite3.connect(folder / "journal.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    acknowledged = {}
    for line in (folder / "acknowledged").read_text().splitlines():
        run_id, seq = line.split()
        acknowledged[run_id] = int(seq)
    journal = SqliteJournal(folder / "journal.db")
    for run_id, seq in acknowledged.items():
        entries = journal.history(run_id).entries
        assert len(entries) >= seq, f"{run_id} lost an acknowledged record"
        assert list(entries) == [make_step(number) for number in range(1, len(entries) + 1)]
    journal.close()


def test_a_power_cut_in_the_middle_of_a_write_loses_only_what_was_not_acknowledged(tmp_path):
    path, log = tmp_path / "journal.db", tmp_path / "journal.db-wal"
    journal = SqliteJournal(path)
    journal.begin(RunStart(run_id="run", flow="f", version="1", started_ns=1), owner="me", lease_seconds=60)
    sizes = []
    for seq in range(1, 25):
        journal.record("run", [make_step(seq)], owner="me", durable=True)
        sizes.append(log.stat().st_size)
    cut = tmp_path / "cut"
    cut.mkdir()
    for acknowledged, size in enumerate(sizes, start=1):
        for lost in (0, 1, 2000, 4096):
            for kept in cut.iterdir():
                kept.unlink()
            shutil.copy(path, cut / path.name)
            (cut / log.name).write_bytes(log.read_bytes()[: size - lost] + b"\xaa" * lost)
            after = SqliteJournal(cut / path.name)
            entries: Any = after.history("run").entries
            after.close()
            assert [entry.seq for entry in entries] == list(range(1, acknowledged + 1 - (lost > 0)))
    journal.close()


# A full disk


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("only root, with the right to mount, can make a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_loses_nothing_and_the_journal_goes_on_when_there_is_room(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 500_000)
    path = small_disk / "journal.db"
    journal = SqliteJournal(path)
    journal.begin(RunStart(run_id="run", flow="f", version="1", started_ns=1), owner="me", lease_seconds=60)
    written = write_until_full(journal, path)
    assert len(written) > 5
    for _ in range(3):
        with pytest.raises(JournalFull):
            journal.record("run", [make_large_step(999)], owner="me", durable=True)
    ballast.unlink()
    journal.record("run", [make_large_step(1000)], owner="me", durable=True)
    journal.close()
    reopened = SqliteJournal(path)
    assert list(reopened.history("run").entries) == [*written, make_large_step(1000)]
    reopened.close()


def test_a_full_disk_is_named_when_a_journal_cannot_even_be_made(small_disk):
    with pytest.raises(OSError, match="No space"):
        (small_disk / "ballast").write_bytes(b"x" * 1_100_000)
    with pytest.raises(JournalFull, match="has no room to grow"):
        SqliteJournal(small_disk / "journal.db")


def test_a_limit_on_the_size_of_files_is_a_full_disk(tmp_path):
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    journal.begin(RunStart(run_id="run", flow="f", version="1", started_ns=1), owner="me", lease_seconds=60)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        written = write_until_full(journal, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(written) > 5
    journal.record("run", [make_large_step(1000)], owner="me", durable=True)
    assert list(journal.history("run").entries) == [*written, make_large_step(1000)]
    journal.close()


def write_until_full(journal, path):
    """What was acknowledged before the disk was full."""
    written: list[StepFinished] = []
    with pytest.raises(JournalFull, match=f"{path} has no room to grow"):
        write_large_steps(journal, written)
    return written


def write_large_steps(journal, written):
    for seq in range(1, 1000):
        journal.record("run", [make_large_step(seq)], owner="me", durable=True)
        written.append(make_large_step(seq))


def make_large_step(seq):
    changes = {"text": f"{seq:04}" * 2000}
    return StepFinished(seq, f"s{seq}", "note", 1, StepStatus.SUCCEEDED, "end", seq, seq, changes, None, None, ())
