"""How many spare children are kept."""

import pytest

from intellyhub_knative.platform.activator.reserve import MEMORY_SECONDS, MOST, Reserve


@pytest.fixture
def reserve():
    return Reserve()


def test_one_is_always_kept(reserve):
    assert reserve.wanted(0.0) == 1


def test_flows_woken_one_by_one_ask_for_no_more(reserve):
    for second in range(5):
        reserve.note(second * 2.0)
    assert reserve.wanted(10.0) == 1


def test_as_many_as_were_woken_within_a_second(reserve):
    for moment in (0.0, 0.3, 0.6):
        reserve.note(moment)
    assert reserve.wanted(1.0) == 3


def test_never_more_than_the_most(reserve):
    for _ in range(50):
        reserve.note(1.0)
    assert reserve.wanted(1.0) == MOST


def test_a_burst_is_forgotten(reserve):
    for _ in range(5):
        reserve.note(1.0)
    assert reserve.wanted(1.0 + MEMORY_SECONDS) == 1
    reserve.note(2.0 + MEMORY_SECONDS)
    assert reserve.wanted(2.0 + MEMORY_SECONDS) == 1
