"""How fast events may come."""

from intellyhub_knative.platform.gateway.pace import Pace


def test_a_burst_passes_then_the_rate_holds():
    pace = Pace(10, 20)
    assert [pace.take("t", 10, 0.0) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert pace.take("t", 10, 0.5) == 0.5
    assert pace.take("t", 10, 1.0) == 0.0


def test_each_has_a_bucket_of_its_own():
    pace = Pace(1, 1)
    assert pace.take("a", 1, 0.0) == 0.0
    assert pace.take("b", 1, 0.0) == 0.0
    assert pace.take("a", 1, 0.0) == 1.0


def test_what_is_larger_than_a_bucket_passes_when_it_is_full_and_is_paid_for_afterwards():
    pace = Pace(1, 5)
    assert pace.take("t", 8, 0.0) == 0.0
    assert pace.take("t", 1, 3.0) == 1.0
    assert pace.take("t", 1, 4.0) == 0.0


def test_a_clock_that_stands_still_gives_nothing():
    pace = Pace(1000, 1)
    assert pace.take("t", 1, 5.0) == 0.0
    assert pace.take("t", 1, 4.0) > 0.0


def test_what_is_refused_costs_nothing():
    pace = Pace(1, 2)
    pace.take("t", 2, 0.0)
    for _ in range(10):
        assert pace.take("t", 1, 0.5) == 0.5
    assert pace.take("t", 1, 1.0) == 0.0
