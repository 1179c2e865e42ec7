"""Durations as authors write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.language.durations import seconds_of


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (5, 5.0),
        (0.5, 0.5),
        (0, 0.0),
        ("90", 90.0),
        ("0s", 0.0),
        ("90s", 90.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("1w", 604800.0),
        ("250ms", 0.25),
        ("1h 30m", 5400.0),
        ("1h30m", 5400.0),
        ("1.5 hours", 5400.0),
        ("PT5M", 300.0),
        ("P1DT2H", 93600.0),
        ("PT0.5S", 0.5),
        ("p1w", 604800.0),
    ],
)
def test_a_duration_is_seconds(written, seconds):
    assert seconds_of(written) == seconds


@pytest.mark.parametrize(
    "written", ["", "5x", "m", "P", "PT", "-5s", "5m5", True, None, [], -1, float("nan"), float("inf")]
)
def test_anything_else_is_no_duration(written):
    assert seconds_of(written) is None


@given(st.text(alphabet="0123456789.hmsdPT wx-", max_size=80))
def test_no_text_is_too_odd(text):
    found = seconds_of(text)
    assert found is None or found >= 0
