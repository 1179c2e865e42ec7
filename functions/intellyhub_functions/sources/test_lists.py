"""Lists as authors write them."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import pytest

from intellyhub_functions.sources.lists import texts_of


@pytest.mark.parametrize(
    ("written", "texts"),
    [("a, b", ["a", "b"]), (["a ", 1], ["a", "1"]), (("a",), ["a"]), (7, ["7"]), (None, []), ([], [])],
)
def test_a_list_a_text_with_commas_and_a_single_value_are_lists(written, texts):
    assert texts_of(written) == texts
