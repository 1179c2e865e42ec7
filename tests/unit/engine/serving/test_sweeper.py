"""Resuming what nobody works on."""

import threading

from intellyhub_engine.errors import JournalUnwritable, LeaseLost
from intellyhub_engine.serving.problems import Fault, RequestRefused
from intellyhub_engine.serving.sweeper import Sweeper
from tests.unit.engine.serving.fakes import make_result


def make_sweeper(due, resume):
    return Sweeper(due=due, resume=resume, interval_seconds=0.001)


def test_what_is_due_is_resumed_and_what_others_hold_is_left_to_them():
    resumed = []

    def resume(run_id):
        if run_id == "held":
            raise LeaseLost("held")
        resumed.append(run_id)
        return make_result()

    assert make_sweeper(lambda: ["a", "held", "b"], resume).sweep() == 2
    assert resumed == ["a", "b"]


def test_a_worker_without_a_free_place_sweeps_later():
    def resume(run_id):
        raise RequestRefused(Fault.BUSY, "every place is taken")

    assert make_sweeper(lambda: ["a", "b"], resume).sweep() == 0


def test_a_journal_that_fails_does_not_end_the_sweeping(caplog):
    looks: list[None] = []
    looked_again = threading.Event()

    def due():
        looks.append(None)
        if len(looks) == 1:
            raise JournalUnwritable("the journal is away")
        if len(looks) == 2:
            raise ZeroDivisionError
        looked_again.set()
        return []

    sweeper = make_sweeper(due, lambda run_id: make_result())
    sweeper.start()
    assert looked_again.wait(10)
    sweeper.stop()
    assert "the journal is away" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_stopped_sweeper_begins_no_further_run():
    resumed = []

    def resume(run_id):
        resumed.append(run_id)
        sweeper.stop()
        return make_result()

    sweeper = make_sweeper(lambda: ["a", "b"], resume)
    assert sweeper.sweep() == 1
    assert resumed == ["a"]
