"""Names a flow gives that cannot be used."""

import pytest

from intellyhub_engine.language.problems import Position
from tests.unit.engine.language.small import codes_of, only


@pytest.mark.parametrize(
    "body",
    [
        "state_type: http, url: u, output: page-text",
        "state_type: http, url: u, output: class",
        "state_type: http, url: u, output: '{name}'",
        "state_type: loop, items: [1], item_var: the item, do: [{type: set, values: {}}]",
        "state_type: set, values: {a-b: 1}",
        "state_type: email-listener, output: {a b: c}",
    ],
)
def test_a_name_that_no_variable_can_have_is_an_error(body):
    assert codes_of(f"states: {{a: {{{body}}}}}").count("invalid-name") == 1


def test_a_usable_name_is_suggested_at_its_place():
    problem = only("states:\n  a: {state_type: http, url: u, output: page-text}\n", "invalid-name")
    assert (problem.position, problem.suggestion) == (Position(2, 41), "write page_text")


def test_any_letter_may_begin_a_name():
    assert codes_of("states: {a: {state_type: set, values: {città: 1, _x: 2}}}") == []


def test_the_output_of_a_listener_is_a_name():
    text = "listener: {type: email, output: 9x}\nstates: {a: {state_type: end}}"
    assert codes_of(text) == ["invalid-name"]
