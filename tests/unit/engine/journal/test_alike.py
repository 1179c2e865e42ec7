"""Whatever is done to them, the journal in memory and the one in SQLite answer alike."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from intellyhub_engine.errors import JournalError
from intellyhub_engine.journal.memory import MemoryJournal
from intellyhub_engine.journal.records import RunStatus, RunWoken
from intellyhub_engine.journal.sqlite import SqliteJournal
from tests.unit.engine.journal.conftest import Clock
from tests.unit.engine.journal.runs import finished, make_event, make_start, step_finished, suspended

RUNS = st.sampled_from(["one", "two", "three", "one.1.left", "one.1.left.1.deep"])
OWNERS = st.sampled_from(["alice", "bob"])
SECONDS = st.sampled_from([0, 5, 30])
EVENTS = st.none() | st.builds(make_event, st.sampled_from(["1", "2"]), type=st.sampled_from(["a", "b"]))
FILTERS = st.none() | st.dictionaries(st.sampled_from(["type", "source", "floor"]), st.sampled_from(["a", "/door", 3]))
ENTRIES = st.lists(
    st.builds(step_finished, st.integers(1, 9))
    | st.builds(suspended, st.integers(1, 9), until_ns=st.none() | st.integers(0, 2**62), event_filter=FILTERS)
    | st.builds(
        RunWoken, st.integers(1, 9), st.just("pause"), st.sampled_from(["/door", None]), st.sampled_from(["1", "2"])
    )
    | st.builds(finished, st.sampled_from(list(RunStatus)[2:])),
    min_size=1,
    max_size=1,
) | st.lists(st.builds(step_finished, st.integers(1, 9)), min_size=2, max_size=3)


class Alike(RuleBasedStateMachine):
    @initialize()
    def open(self):
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "journal.db"
        self.clock = Clock()
        self.memory = MemoryJournal(now_ns=self.clock)
        self.sqlite = SqliteJournal(self.path, now_ns=self.clock)

    def both(self, ask):
        assert answer_of(ask, self.sqlite) == answer_of(ask, self.memory)

    @rule(run_id=RUNS, owner=OWNERS, seconds=SECONDS, event=EVENTS, flow=st.sampled_from(["f", "g"]))
    def begin(self, run_id, owner, seconds, event, flow):
        parent = {"one.1.left": "one", "one.1.left.1.deep": "one.1.left"}.get(run_id)
        start = make_start(run_id, event=event, flow=flow, parent_id=parent)
        self.both(lambda journal: journal.begin(start, owner=owner, lease_seconds=seconds))

    @rule(run_id=RUNS, owner=OWNERS, entries=ENTRIES)
    def record(self, run_id, owner, entries):
        self.both(lambda journal: journal.record(run_id, entries, owner=owner, durable=True))

    @rule(run_id=RUNS, owner=OWNERS, seconds=SECONDS)
    def claim(self, run_id, owner, seconds):
        self.both(lambda journal: journal.claim(run_id, owner=owner, lease_seconds=seconds))

    @rule(run_id=RUNS, owner=OWNERS, seconds=SECONDS)
    def renew(self, run_id, owner, seconds):
        self.both(lambda journal: journal.renew(run_id, owner=owner, lease_seconds=seconds))

    @rule(run_id=RUNS, owner=OWNERS)
    def release(self, run_id, owner):
        self.both(lambda journal: journal.release(run_id, owner=owner))

    @rule(run_id=RUNS)
    def cancel(self, run_id):
        self.both(lambda journal: journal.request_cancel(run_id))

    @rule(seconds=st.integers(1, 40))
    def advance(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def reopen(self):
        self.sqlite.close()
        self.sqlite = SqliteJournal(self.path, now_ns=self.clock)

    @rule(run_id=RUNS, status=st.none() | st.sampled_from(RunStatus), parent=st.none() | RUNS, limit=st.integers(1, 3))
    def page(self, run_id, status, parent, limit):
        self.both(lambda journal: journal.runs(status=status, parent_id=parent, limit=limit))
        self.both(lambda journal: journal.runs(limit=limit, before=run_id))

    @rule(event=EVENTS.filter(bool), ahead=st.integers(0, 60))
    def look_for_work(self, event, ahead):
        self.both(lambda journal: journal.due(self.clock() + ahead * 10**9))
        self.both(lambda journal: journal.waiting_for(event))
        for flow in ("f", "g"):
            self.both(lambda journal, flow=flow: journal.waiting_for(event, flow=flow))
            self.both(lambda journal, flow=flow: journal.runs_of_event(event, flow=flow))

    @invariant()
    def histories_are_the_same(self):
        for run_id in ("one", "two", "three", "one.1.left"):
            self.both(lambda journal, run_id=run_id: (journal.history(run_id), journal.cancel_requested(run_id)))

    def teardown(self):
        if hasattr(self, "sqlite"):
            self.sqlite.close()
            shutil.rmtree(self.folder)


def answer_of(ask, journal):
    try:
        return ask(journal)
    except JournalError as fault:
        return type(fault), str(fault)


Alike.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestAlike = Alike.TestCase
