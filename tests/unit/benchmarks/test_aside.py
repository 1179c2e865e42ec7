"""The second figure of the same samples."""

import pytest

from tests.benchmarks.aside import Aside, percentile
from tests.benchmarks.row import Figure, make_spread


@pytest.mark.parametrize(("share", "expected"), [(0.5, 5), (0.9, 9), (0.95, 10), (1.0, 10), (0.05, 1)], ids=str)
def test_a_percentile_is_the_nearest_rank(share, expected):
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], share) == expected


def test_the_value_noted_while_warming_up_does_not_count():
    aside = Aside()
    for value in (100.0, 1.0, 3.0):
        aside.note("ours", value)
    figure = aside.figure(Figure(name="ours", spread=make_spread([5.0])))
    assert figure.spread == make_spread([1.0, 3.0])


def test_what_failed_has_failed_in_both_rows():
    aside = Aside()
    aside.note("ours", 1.0)
    aside.note("ours", 2.0)
    figure = aside.figure(Figure(name="ours", fault="it broke"))
    assert (figure.spread, figure.fault) == (None, "it broke")
