"""Leases kept and cancellations noticed while effects are under way."""

import threading

import pytest

from intellyhub_engine.errors import JournalUnwritable, LeaseLost
from intellyhub_engine.machine import keeper
from intellyhub_engine.machine.active import Family
from intellyhub_engine.machine.keeper import Keeper
from tests.unit.engine.machine.small import Clock, make_host


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(keeper, "IDLE_LOOKS", 2)


class Journal:
    """Answers as it is told, and tells when it was asked."""

    def __init__(self):
        self.cancel = False
        self.fault = None
        self.renewed = threading.Event()
        self.asked = threading.Event()

    def cancel_requested(self, run_id):
        self.asked.set()
        return self.cancel

    def renew(self, run_id, *, owner, lease_seconds):
        self.renewed.set()
        if self.fault:
            raise self.fault


def watched(journal, clock=None, **settings):
    host = make_host(clock or Clock(), journal=journal, **settings)
    family = Family(host, "r", {})
    kept = Keeper()
    kept.watch(family)
    return kept, family, host


def end(kept, family):
    thread = kept._thread
    kept.forget(family)
    if thread is not None:
        thread.join(5)
        assert not thread.is_alive()


def test_a_lease_is_renewed_in_time():
    clock, journal = Clock(), Journal()
    kept, family, _ = watched(journal, clock, lease_seconds=30)
    assert journal.asked.wait(5)
    assert not journal.renewed.is_set()
    clock.pass_by(11)
    assert journal.renewed.wait(5)
    end(kept, family)


def test_a_cancellation_reaches_a_long_effect():
    journal = Journal()
    kept, family, _ = watched(journal)
    journal.cancel = True
    assert family.cancelled.wait(5)
    end(kept, family)


def test_cancelling_the_host_reaches_a_long_effect():
    journal = Journal()
    kept, family, host = watched(journal)
    host.cancelled.set()
    assert family.cancelled.wait(5)
    end(kept, family)


def test_a_run_that_another_worker_took_stops_as_lost():
    clock, journal = Clock(), Journal()
    kept, family, _ = watched(journal, clock)
    journal.fault = LeaseLost("taken")
    clock.pass_by(11)
    assert family.cancelled.wait(5)
    with pytest.raises(LeaseLost):
        family.stop_if_told()
    end(kept, family)


def test_a_journal_that_cannot_be_written_now_is_asked_again():
    clock, journal = Clock(), Journal()
    kept, family, _ = watched(journal, clock)
    journal.fault = JournalUnwritable("locked")
    clock.pass_by(11)
    assert journal.renewed.wait(5)
    journal.renewed.clear()
    assert journal.renewed.wait(5)
    assert not family.cancelled.is_set()
    end(kept, family)


def test_the_thread_ends_with_the_last_run_and_begins_with_the_next():
    journal = Journal()
    kept, family, _ = watched(journal)
    end(kept, family)
    kept.watch(family)
    journal.asked.clear()
    assert journal.asked.wait(5)
    end(kept, family)
