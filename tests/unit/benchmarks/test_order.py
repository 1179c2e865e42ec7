"""The hand-written stand-in for the ten-step flow."""

import pytest

from tests.benchmarks.peers.order import EXPECTED, ORDER, decide


def test_it_answers_what_every_contestant_must():
    assert decide(ORDER) == EXPECTED


@pytest.mark.parametrize(("country", "gross"), [("IT", 14579), ("DE", 14220), ("FR", 11950)])
def test_the_tax_depends_on_the_country(country, gross):
    order = ORDER | {"customer": {"name": "Ada Lovelace", "country": country}}
    assert decide(order)["gross_cents"] == gross


def test_an_order_without_lines_is_refused():
    with pytest.raises(ValueError, match="an order has lines"):
        decide(ORDER | {"lines": []})
