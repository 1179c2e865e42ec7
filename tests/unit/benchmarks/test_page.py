"""The page docs/benchmarks.md."""

from tests.benchmarks.page import make_page, make_summary
from tests.benchmarks.row import Budget, Figure, Row, make_spread

OURS = Figure(name="IntellyHub", spread=make_spread([2.0]))
GONE = Figure(name="gone", fault="it is not installed")
HELD = Row(topic="t", what="a | b", unit="ms", ours=OURS, budgets=(Budget(limit=3),), method="once a second")
MISSED = Row(topic="t", what="late", unit="ms", ours=OURS, peers=(GONE,), budgets=(Budget(limit=1),))
UNKNOWN = Row(topic="t", what="unknown", unit="ms", ours=GONE, budgets=(Budget(limit=1),))


def page(*rows):
    return make_page(rows, facts={"kernel": "Linux 6"}, versions={"gone": "1.2"}, date="2030-01-02", minutes=4.25)


def test_the_summary_counts_held_missed_and_unmeasured_budgets():
    assert make_summary([HELD, MISSED, UNKNOWN]).startswith("Of 3 budgets 1 held, 1 were missed, 1 could not")


def test_a_missed_budget_is_bold():
    assert "| **missed: 2.0 x the budget** |" in page(HELD, MISSED)


def test_a_bar_in_a_name_does_not_break_the_table():
    table = [line for line in page(HELD, MISSED).splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in table} == {7}


def test_date_duration_machine_and_versions_are_named():
    text = page(HELD)
    assert "2030-01-02" in text
    assert "4.2 minutes" in text
    assert "- kernel: Linux 6\n" in text
    assert "gone 1.2" in text


def test_the_method_of_a_row_is_told():
    assert "- **a | b** (ms): once a second" in page(HELD)


def test_what_did_not_run_is_told_with_its_reason():
    assert "- gone: it is not installed" in page(MISSED)
    assert "Not run" not in page(HELD)


def test_the_page_says_how_to_reproduce_it():
    assert "```\nmake bench\n```" in page(HELD)
