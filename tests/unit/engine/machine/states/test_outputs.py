"""What a state's output makes of its result."""

import pytest

from intellyhub_engine.language.values.values import wrap
from intellyhub_engine.machine.states.outputs import make_assign

RESULT = wrap({"a": {"b": 1}, "c": None})


@pytest.mark.parametrize(
    ("output", "changes"),
    [
        (None, {}),
        ("x", {"x": RESULT}),
        ({"x": "a.b", "y": "c"}, {"x": 1, "y": None}),
        ({"x": "v"}, {"x": 7}),
        ({"x": "a.nowhere"}, {"x": None}),
    ],
)
def test_a_result_becomes_variables(output, changes):
    assert make_assign(output)(RESULT, {"v": 7}) == changes


def test_fields_of_what_has_none_are_variables():
    assert make_assign({"x": "v"})("text", {"v": 7}) == {"x": 7}
