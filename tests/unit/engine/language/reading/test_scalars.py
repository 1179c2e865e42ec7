"""Numbers, and what looks like them."""

from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.language.reading.scalars import resolve_plain


@given(st.integers())
def test_every_integer_reads_back(number):
    assert resolve_plain(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_reads_back(number):
    assert resolve_plain(repr(number)) == number


@given(st.text())
def test_any_text_has_a_value(text):
    assert isinstance(resolve_plain(text), str | int | float | bool | None)
