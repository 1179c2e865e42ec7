"""Turns."""

import threading

import pytest

from intellyhub_engine.serving.gate import Gate
from intellyhub_engine.serving.problems import Fault, RequestRefused


def test_without_a_limit_everyone_enters():
    gate = Gate(concurrency=0, queue_seconds=0)
    for number in range(1000):
        gate.enter(("s", str(number)))
    assert gate.in_flight == 1000


def test_a_place_that_becomes_free_is_taken_by_one_who_waits():
    gate = Gate(concurrency=1, queue_seconds=10)
    gate.enter(None)
    entered = threading.Semaphore(0)

    def work():
        gate.enter(None)
        entered.release()
        gate.leave(None)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert not entered.acquire(timeout=0.05)
    gate.leave(None)
    for thread in threads:
        thread.join(10)
    assert entered._value == 5
    assert gate.in_flight == 0


@pytest.mark.parametrize(
    ("concurrency", "held", "wanted", "fault"),
    [(1, ("s", "1"), ("s", "2"), Fault.BUSY), (0, ("s", "1"), ("s", "1"), Fault.IN_FLIGHT)],
)
def test_who_waits_too_long_is_refused_and_forgotten(concurrency, held, wanted, fault):
    gate = Gate(concurrency=concurrency, queue_seconds=0.02)
    gate.enter(held)
    with pytest.raises(RequestRefused) as caught:
        gate.enter(wanted)
    assert caught.value.fault is fault
    assert gate.in_flight == 1
    gate.leave(held)
    gate.enter(wanted)


def test_an_event_let_go_can_be_taken_again():
    gate = Gate(concurrency=2, queue_seconds=10)
    gate.enter(("s", "1"))
    second = threading.Thread(target=gate.enter, args=(("s", "1"),))
    second.start()
    second.join(0.05)
    assert second.is_alive()
    gate.leave(("s", "1"))
    second.join(10)
    assert not second.is_alive()
    assert gate.in_flight == 1
