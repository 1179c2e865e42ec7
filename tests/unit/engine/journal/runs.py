"""Runs and entries as the tests of the journal write them."""

from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import (
    RunFinished,
    RunStart,
    RunStatus,
    RunSuspended,
    StepFinished,
    StepStarted,
    StepStatus,
)


def make_event(event_id="1", **attributes):
    return Event(**{"id": event_id, "source": "/door", "type": "bell.rung", **attributes})


def make_start(run_id="run-1", **facts):
    return RunStart(**{"run_id": run_id, "flow": "doorbell", "version": "abc", "started_ns": 5, **facts})


def step_started(seq=1, *, state="ring", attempt=1):
    return StepStarted(seq, state, "http", attempt, 100 * seq)


def step_finished(seq=1, *, state="ring", changes=None, status=StepStatus.SUCCEEDED, **rest):
    fields = {
        "seq": seq,
        "state": state,
        "type": "http",
        "attempt": 1,
        "status": status,
        "next": "end",
        "started_ns": 100 * seq,
        "finished_ns": 100 * seq + 50,
        "changes": changes or {},
        "error": None,
        "loops": None,
        "emitted": (),
    }
    return StepFinished(**{**fields, **rest})


def finished(status=RunStatus.SUCCEEDED, *, end_state="end", error=None, output=None):
    return RunFinished(status, end_state, error, output, 900)


def suspended(seq=1, *, until_ns=None, event_filter=None, approval=None):
    return RunSuspended(seq, "pause", until_ns, event_filter, approval)


ALICE, BOB = "alice", "bob"


def begin(journal, run_id="run-1", *, owner=ALICE, lease_seconds=30, entries=(), **facts):
    return journal.begin(make_start(run_id, **facts), owner=owner, lease_seconds=lease_seconds, entries=entries)


def record(journal, *entries, run_id="run-1", owner=ALICE, durable=True):
    journal.record(run_id, entries, owner=owner, durable=durable)
