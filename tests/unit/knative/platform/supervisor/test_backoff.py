"""Pauses between starts."""

from intellyhub_knative.platform.supervisor.backoff import Backoff


def test_pauses_double_up_to_ten_seconds():
    backoff = Backoff()
    pauses = [round(backoff.next_pause(0.0), 3) for _ in range(9)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_thirty_seconds_of_health_are_a_new_beginning():
    backoff = Backoff()
    for _ in range(5):
        backoff.next_pause(29.9)
    assert (backoff.next_pause(30.0), backoff.failures) == (0.1, 1)


def test_failing_for_ever_is_no_overflow():
    backoff = Backoff()
    backoff.failures = 100_000
    assert backoff.next_pause(0.0) == 10.0
