"""Values brought to the types that parameters declare."""

import pytest

from intellyhub_engine.catalogue.manifest import Parameter
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.states.conversion import convert


@pytest.mark.parametrize(
    ("types", "value", "converted"),
    [
        (("integer",), "5", 5),
        (("integer",), 5.0, 5),
        (("number",), "2.5", 2.5),
        (("number",), 3, 3),
        (("boolean",), "Yes", True),
        (("boolean",), "off", False),
        (("boolean",), 1, True),
        (("string",), 5, "5"),
        (("string",), True, "true"),
        (("string",), {"a": 1}, '{"a": 1}'),
        (("array",), "[1, 2]", [1, 2]),
        (("array", "string"), "a", "a"),
        (("object",), '{"a": 1}', {"a": 1}),
        (("string", "integer"), 7, 7),
        (("any",), object, object),
    ],
)
def test_values_are_converted_to_the_first_type_that_takes_them(types, value, converted):
    result = convert(value, Parameter(name="p", types=types), "p")
    assert (result, type(result)) == (converted, type(converted))


@pytest.mark.parametrize(
    ("types", "value"),
    [
        (("integer",), "5.5"),
        (("integer",), True),
        (("integer",), 2.5),
        (("number",), "five"),
        (("boolean",), "maybe"),
        (("array",), "a"),
        (("array",), '{"a": 1}'),
        (("object",), "[1]"),
        (("object",), [1]),
    ],
)
def test_values_that_no_type_takes_are_refused(types, value):
    with pytest.raises(PermanentError, match="must be of the type"):
        convert(value, Parameter(name="p", types=types), "the parameter 'p'")


def test_a_choice_and_a_range_are_kept():
    with pytest.raises(PermanentError, match="must be one of a, b, not 'c'"):
        convert("c", Parameter(name="p", enum=("a", "b")), "p")
    with pytest.raises(PermanentError, match="at least 1, not 0"):
        convert(0, Parameter(name="p", minimum=1), "p")
    with pytest.raises(PermanentError, match="at most 9, not 10"):
        convert("10", Parameter(name="p", types=("integer",), maximum=9), "p")
