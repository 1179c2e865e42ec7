"""Listeners nobody has, and what a source itself says against its parameters."""

from dataclasses import replace

import pytest

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.language.load import examine
from intellyhub_engine.language.problems import Position, Severity
from tests.unit.engine.language.small import CATALOGUE, RSS, codes_of, only


def test_an_unknown_listener_is_an_error_with_a_suggestion():
    problem = only("listener: {type: rsss}\nstates: {a: {state_type: end}}", "unknown-listener-type")
    assert (problem.severity, problem.position, problem.suggestion) == (
        Severity.ERROR,
        Position(1, 18),
        "did you mean 'rss'?",
    )


def test_a_listener_without_its_parameter_is_an_error():
    assert codes_of("listener: {type: rss}\nstates: {a: {state_type: end}}") == ["missing-parameter"]


def test_an_unknown_parameter_of_a_listener_is_a_warning():
    text = "listener:\n  type: rss\n  url: u\n  check_intervall: 3\nstates: {a: {state_type: end}}"
    problem = only(text, "unknown-parameter")
    assert (problem.position, problem.suggestion) == (Position(4, 20), "did you mean 'check_interval'?")


def test_a_listener_that_is_not_installed_is_a_warning():
    assert only("listener: {type: a2a}\nstates: {a: {state_type: end}}", "not-installed").severity is Severity.WARNING


@pytest.mark.parametrize(
    ("listener", "position"),
    [
        ("listener:\n  type: rsss", Position(2, 9)),
        ("listener:\n  listener_type: rsss", Position(2, 18)),
        ("listener: rsss", Position(1, 11)),
    ],
)
def test_an_unknown_type_is_shown_where_it_stands(listener, position):
    assert only(listener + "\nstates: {a: {state_type: end}}", "unknown-listener-type").position == position


def problems_with(text, *faults):
    """What there is to say when the source finds these faults; and what it was shown."""
    shown = []

    def look(known, unknown):
        shown.append((dict(known), set(unknown)))
        return faults

    catalogue = replace(CATALOGUE, sources={**CATALOGUE.sources, "rss": replace(RSS, load_examine=lambda: look)})
    return examine(text + "\nstates: {a: {state_type: end}}", catalogue)[1], shown


def test_a_source_sees_what_is_known_before_a_run():
    text = "listener:\n  type: rss\n  url: [a, '{feed}']\n  check_interval: 5"
    assert problems_with(text) == ((), [({"check_interval": 5}, {"feeds"})])


@pytest.mark.parametrize(
    ("path", "position"),
    [
        ((), Position(1, 1)),
        (("feeds",), Position(4, 5)),
        (("feeds", 1), Position(5, 7)),
        (("feeds", 1, "deep"), Position(5, 7)),
        (("feeds", 1, "deep", 0), Position(5, 14)),
        (("feeds", 7), Position(4, 5)),
        (("missing",), Position(1, 1)),
    ],
)
def test_a_fault_stands_as_deep_in_the_text_as_the_source_says(path, position):
    text = "listener:\n  type: rss\n  url:\n    - a\n    - deep: [x]"
    [problem] = problems_with(text, ParameterFault(path, "no"))[0]
    assert (problem.position, problem.severity, problem.code) == (position, Severity.ERROR, "wrong-value")


def test_a_fault_that_depends_on_the_place_is_a_warning_with_its_suggestion():
    [problem] = problems_with("listener: {type: rss, url: u}", ParameterFault(("feeds",), "no", "yes", certain=False))[
        0
    ]
    assert (problem.severity, problem.suggestion) == (Severity.WARNING, "yes")
