"""State types nobody has, parameters that are missing, unknown, or of the wrong type."""

import pytest

from intellyhub_engine.language.problems import Position, Severity
from tests.unit.engine.language.small import codes_of, only


def http(rest):
    return f"states:\n  a: {{state_type: http, url: u, {rest}}}\n"


def test_an_unknown_state_type_is_an_error_with_a_suggestion():
    problem = only("states:\n  a:\n    state_type: comand\n    eval: x\n", "unknown-state-type")
    assert (problem.severity, problem.position) == (Severity.ERROR, Position(3, 17))
    assert problem.suggestion == "did you mean 'command'?"


def test_a_type_like_no_other_says_a_plugin_brings_it():
    assert (
        only("states: {a: {state_type: zzz}}", "unknown-state-type").suggestion == "install the plugin that brings it"
    )


def test_a_known_type_that_is_not_installed_is_a_warning_that_names_the_plugin():
    problem = only("states: {a: {state_type: llm, prompt: x}}", "not-installed")
    assert problem.severity is Severity.WARNING
    assert "'llm-agent'" in problem.suggestion


def test_a_missing_parameter_is_an_error():
    problem = only("states:\n  a: {state_type: http}\n", "missing-parameter")
    assert (problem.severity, problem.position, problem.expected) == (
        Severity.ERROR,
        Position(2, 3),
        "`url`: Where to.",
    )


def test_a_null_is_as_good_as_missing():
    assert codes_of("states: {a: {state_type: http, url: null}}") == ["missing-parameter"]


def test_a_misspelled_required_parameter_is_recognised():
    assert only("states: {a: {state_type: http, ulr: x}}", "missing-parameter").suggestion == "did you mean 'ulr'?"


def test_a_missing_parameter_of_a_type_that_is_not_installed_is_a_warning():
    assert only("states: {a: {state_type: llm}}", "missing-parameter").severity is Severity.WARNING


def test_an_unknown_parameter_is_a_warning_with_a_suggestion():
    problem = only("states:\n  a:\n    state_type: http\n    url: u\n    methd: POST\n", "unknown-parameter")
    assert (problem.severity, problem.position, problem.suggestion) == (
        Severity.WARNING,
        Position(5, 12),
        "did you mean 'method'?",
    )


def test_a_misspelled_transition_is_recognised():
    assert only(http("transtion: end"), "unknown-parameter").suggestion == "did you mean 'transition'?"


@pytest.mark.parametrize("type_", ["open_type", "unknown"])
def test_a_misspelled_transition_is_recognised_where_anything_is_accepted(type_):
    text = f"states: {{a: {{state_type: {type_}, transtion: end, whatever: 1}}}}"
    assert only(text, "unknown-parameter").suggestion == "did you mean 'transition'?"


@pytest.mark.parametrize(
    "written",
    [
        "verify: true",
        "verify: 'false'",
        "verify: yes",
        "max_bytes: 5",
        "max_bytes: '5'",
        "max_bytes: 5.0",
        "ratio: 1",
        "ratio: '1.5'",
        "headers: {A: b}",
        "tags: [a]",
        "url: 5",
        "method: post",
        "verify: '{flag}'",
        "max_bytes: '{n}'",
        "tags: '{tags}'",
        "headers: '{{ h }}'",
        "method: '{m}'",
    ],
)
def test_a_value_that_fits_or_is_a_placeholder_is_fine(written):
    assert codes_of(http(written).replace("url: u, url", "url")) == []


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("verify: maybe", "true or false"),
        ("max_bytes: many", "a whole number"),
        ("max_bytes: 1.5", "a whole number"),
        ("max_bytes: true", "a whole number"),
        ("ratio: [1]", "a number"),
        ("headers: text", "a mapping"),
        ("tags: a", "a list"),
        ("token: [a]", "a text"),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error(written, expected):
    problem = only(http(written), "wrong-type")
    assert (problem.severity, problem.expected) == (Severity.ERROR, expected)
    assert problem.position == Position(2, 35 + written.index(":"))


def test_an_unquoted_placeholder_is_recognised():
    problem = only(http("token: {TOKEN}"), "wrong-type")
    assert problem.suggestion == 'a placeholder stands in quotes: "{TOKEN}"'


def test_a_value_that_is_no_choice_is_an_error_with_a_suggestion():
    problem = only(http("method: PSOT"), "not-a-choice")
    assert (problem.severity, problem.expected, problem.suggestion) == (
        Severity.ERROR,
        "GET, POST",
        "did you mean 'POST'?",
    )


@pytest.mark.parametrize("value", [0, 101, "'101'"])
def test_a_number_out_of_range_is_an_error(value):
    assert only(http(f"max_bytes: {value}"), "out-of-range").expected == "at least 1 and at most 100"


def test_dollar_names_are_placeholders_in_list_form_only():
    body = "state_type: http, url: u, max_bytes: $n"
    assert codes_of(f"states: [{{name: a, {body}}}]") == []
    assert codes_of(f"states: {{a: {{{body}}}}}") == ["wrong-type"]
