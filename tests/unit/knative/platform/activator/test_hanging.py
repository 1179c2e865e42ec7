"""When a worker has had enough time."""

import pytest

from intellyhub_knative.platform.activator.hanging import judge_hung
from intellyhub_knative.platform.activator.page import State, Vitals


class FakeWorker:
    def __init__(self, vitals, *, assigned=0.0, quiet=0.0):
        self.vitals, self.assigned, self.quiet = vitals, assigned, quiet
        self.idle = vitals.state is State.SERVING and vitals.taken == 0


class FakeDoor:
    def __init__(self, waiting_since=None, timeout_seconds=10.0):
        self.waiting_since = waiting_since
        self.deployment = self
        self.timeout_seconds = timeout_seconds


RUNNING = Vitals(State.SERVING, 1, 1, 100.0)
IDLE = Vitals(State.SERVING, 0, 1, None)
STARTING = Vitals(State.STARTING, 0, 0, None)


@pytest.mark.parametrize(
    ("worker", "door", "now", "word"),
    [
        (FakeWorker(RUNNING), FakeDoor(), 110.5, None),
        (FakeWorker(RUNNING), FakeDoor(), 111.5, "timeout_seconds, 10"),
        (FakeWorker(STARTING, assigned=100.0), FakeDoor(), 119.0, None),
        (FakeWorker(STARTING, assigned=100.0), FakeDoor(), 121.0, "not ready"),
        (FakeWorker(IDLE), FakeDoor(), 1000.0, None),
        (FakeWorker(IDLE, quiet=100.0), FakeDoor(waiting_since=50.0), 104.0, None),
        (FakeWorker(IDLE, quiet=100.0), FakeDoor(waiting_since=50.0), 106.0, "took nobody"),
    ],
)
def test_the_verdict(worker, door, now, word):
    verdict = judge_hung(door, worker, now)
    assert verdict is None if word is None else word in str(verdict)
