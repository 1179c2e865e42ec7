"""The table on a terminal or in a file."""

import pytest

from tests.benchmarks.row import Budget, Figure, Row, make_spread
from tests.benchmarks.table import COLUMNS, format_figure, format_number, make_cells, make_faults, make_text

OURS = Figure(name="ours", spread=make_spread([0.5, 0.4, 0.7]))
FAST = Figure(name="fast", spread=make_spread([0.25]))
GONE = Figure(name="gone", fault="ModuleNotFoundError: No module named 'gone'")
ROW = Row(topic="t", what="a transition", unit="µs", ours=OURS, peers=(FAST, GONE), budgets=(Budget(limit=0.4),))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (0.5, "0.500"),
        (1.5, "1.50"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1_234_567, "1,230,000"),
    ],
)
def test_numbers_have_three_digits_that_count(value, text):
    assert format_number(value) == text


def test_a_negative_difference_keeps_its_sign():
    assert format_number(-0.5) == "-0.500"
    assert format_number(-12.34) == "-12.3"


def test_a_figure_shows_its_median_and_range():
    assert format_figure(OURS, "µs") == "0.500 µs (0.400-0.700)"


def test_each_peer_has_a_line_and_the_first_line_names_the_row():
    assert list(make_cells(ROW)) == [
        (
            "a transition",
            "0.500 µs (0.400-0.700)",
            "fast: 0.250 µs (0.250-0.250)",
            "2.00 x",
            "<= 0.4 µs",
            "missed by 25 %",
        ),
        ("", "", "gone: not run", "-", "", ""),
    ]


def test_a_row_without_peers_has_a_line_all_the_same():
    assert [cells[0] for cells in make_cells(Row(topic="t", what="alone", unit="ms", ours=OURS))] == ["alone"]


def test_a_second_budget_stands_in_the_second_line():
    budgets = (Budget(limit=1), Budget(limit=10, peer="fast", at_least=True))
    lines = list(make_cells(Row(topic="t", what="w", unit="µs", ours=OURS, peers=(FAST,), budgets=budgets)))
    assert [cells[4:] for cells in lines] == [("<= 1 µs", "yes"), (">= 10 x fast", "missed: 5.0 x the budget")]


def test_what_did_not_run_is_said_once_with_its_reason():
    assert make_faults([ROW, ROW]) == ["gone: ModuleNotFoundError: No module named 'gone'"]


def test_the_columns_of_the_plain_table_stand_under_each_other():
    head, *lines = make_text([ROW]).splitlines()
    assert head.startswith(COLUMNS[0])
    assert all(line[head.index("peer") :].startswith(("fast", "gone")) for line in lines)
