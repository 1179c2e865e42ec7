"""Spreads, budgets and verdicts."""

import pytest

from tests.benchmarks.row import Budget, Figure, Row, make_ratio, make_spread


def figure(median, name="peer"):
    return Figure(name=name, spread=make_spread([median]))


def test_a_spread_is_the_median_with_its_range():
    spread = make_spread([3.0, 1.0, 10.0, 2.0])
    assert (spread.median, spread.low, spread.high, spread.rounds) == (2.5, 1.0, 10.0, 4)


def test_a_budget_that_is_met_exactly_is_held():
    assert Budget(limit=0.8).verdict(figure(0.8), ()) == "yes"


@pytest.mark.parametrize(
    ("ours", "verdict"), [(1.1, "missed by 10 %"), (1.99, "missed by 99 %"), (3.44, "missed: 3.4 x the budget")]
)
def test_a_missed_budget_says_by_how_much(ours, verdict):
    assert Budget(limit=1).verdict(figure(ours), ()) == verdict


def test_a_relative_budget_is_a_multiple_of_the_peers_median():
    budget = Budget(limit=1.2, peer="sync")
    assert budget.bound([figure(50), figure(100, "sync")]) == 120
    assert budget.verdict(figure(119), [figure(100, "sync")]) == "yes"
    assert budget.verdict(figure(132), [figure(100, "sync")]) == "missed by 10 %"


def test_where_more_is_better_too_little_is_a_miss():
    budget = Budget(limit=10, peer="slow", at_least=True)
    assert budget.verdict(figure(500), [figure(50, "slow")]) == "yes"
    assert budget.verdict(figure(400), [figure(50, "slow")]) == "missed by 25 %"


def test_a_budget_without_its_peer_is_not_measured():
    absent = Figure(name="sync", fault="not installed")
    assert Budget(limit=1.2, peer="sync").verdict(figure(1), [absent]) == "not measured"
    assert Budget(limit=1.2, peer="sync").verdict(figure(1), []) == "not measured"


def test_a_budget_without_our_figure_is_not_measured_rather_than_held():
    assert Budget(limit=1).verdict(Figure(name="ours", fault="ImportError"), ()) == "not measured"


def test_a_row_gives_one_verdict_per_budget():
    row = Row(topic="t", what="w", unit="µs", ours=figure(2), budgets=(Budget(limit=3), Budget(limit=1)))
    assert row.verdicts() == ("yes", "missed: 2.0 x the budget")


def test_a_ratio_is_ours_divided_by_the_peers():
    assert make_ratio(figure(2), figure(8)) == 0.25
    assert make_ratio(figure(2), Figure(name="peer", fault="gone")) is None
