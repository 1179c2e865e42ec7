"""Texts that do not compile, with the place of the very character."""

import pytest

from intellyhub_engine.language.problems import Severity
from tests.unit.engine.language.small import codes_of, line_of, only


def test_a_condition_that_is_no_expression_is_an_error():
    problem = only("states:\n  a: {state_type: if, condition: 'x ==', true: end}\n", "invalid-condition")
    assert problem.severity is Severity.ERROR
    assert line_of(problem) == 2
    assert problem.state == "a"


def test_a_fault_in_python_has_its_line_within_the_block():
    text = "states:\n  a:\n    state_type: command\n    eval: |\n      x = 1\n      y = = 2\n"
    problem = only(text, "invalid-code")
    assert line_of(problem) == 6


def test_a_fault_in_a_nested_value_has_its_place():
    text = 'states:\n  a:\n    state_type: set\n    values:\n      x: ok\n      y: ["{% for %}"]\n'
    assert line_of(only(text, "invalid-template")) == 6


@pytest.mark.parametrize(
    "text",
    [
        'variables:\n  v: "{% if %}"\nstates: {a: {state_type: end}}',
        'listener: {type: email,\n  server: "{% if %}"}\nstates: {a: {state_type: end}}',
        'states:\n  a: {state_type: end, log: "{% if %}"}',
    ],
)
def test_variables_listener_and_log_are_compiled_too(text):
    assert line_of(only(text, "invalid-template")) == 2


def test_a_literal_is_never_compiled():
    assert "invalid-template" not in codes_of(
        "states: {a: {state_type: loop, items: [1], item_var: '{% if %}', do: [{type: set, values: {}}]}}"
    )


def test_braces_that_are_no_placeholder_are_fine():
    assert codes_of("""states: {a: {state_type: http, url: 'u', token: '{"a": {"b": 1}}'}}""") == []


def test_a_shell_script_that_cannot_be_quoted_is_an_error():
    text = "states:\n  a:\n    state_type: command\n    command: |\n      cat <<'E!F'\n      {x}\n      E!F\n"
    assert codes_of(text) == ["invalid-shell"]
