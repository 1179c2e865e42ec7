"""The short form of `make soak`: the same scenarios with fewer events and fewer kills."""

import tempfile
from pathlib import Path

import pytest

from tests.soak.full_disk import fill_the_disk
from tests.soak.scenarios import stop_a_hung_worker, survive_fire, survive_power_cut, wake_under_fire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("platform")]


@pytest.fixture
def scratch():
    """A folder with a short path: unix sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="soak-", dir="/tmp") as folder:
        yield Path(folder)


def test_no_event_is_lost_or_doubled_while_processes_are_killed(scratch):
    outcome = survive_fire(scratch, events=300, seconds=10, pause_seconds=(0.3, 1.0), seed=7)
    assert outcome.kept, outcome.figures
    assert outcome.figures["kills"] > 5


def test_an_event_wakes_its_run_once_while_processes_are_killed(scratch):
    outcome = wake_under_fire(scratch, runs=20, seconds=1.5, pause_seconds=(0.25, 0.5), seed=3)
    assert outcome.kept, outcome.figures
    assert outcome.figures["kills"] > 5


def test_waiting_runs_go_on_after_everything_was_killed_at_once(scratch):
    outcome = survive_power_cut(scratch, runs=30, wait_seconds=6)
    assert outcome.kept, outcome.figures
    assert outcome.figures["waiting at the kill"] > 0


def test_a_hung_worker_is_stopped_and_its_run_says_so(scratch):
    outcome = stop_a_hung_worker(scratch, timeout_seconds=2)
    assert outcome.kept, outcome.figures


def test_a_full_disk_refuses_events_and_corrupts_nothing(scratch):
    outcome = fill_the_disk(scratch)
    if isinstance(outcome, str):
        pytest.skip(outcome)
    assert outcome.kept, outcome.figures
